package dev.lethe.page;

import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * One way to forget one set of records, as measured with every seed.
 *
 * @param cell    what was done; its seed is 0 and means nothing
 * @param name    for tables and legends, another for every variant of the forget set
 * @param results one a seed, by seed
 */
public record Variant(Cell cell, String name, List<CellResult> results) {
    public boolean isOriginal() {
        return cell.strategy().equals("original");
    }

    /** Whether it is the model trained without the forget set. */
    public boolean isRetrained() {
        return cell.strategy().equals("retrain");
    }

    /** Whether it is what both began with. */
    public boolean isBase() {
        return cell.strategy().equals("base");
    }

    public boolean isReference() {
        return isOriginal() || isRetrained() || isBase();
    }

    /** Over the seeds that have the measure. */
    public Interval of(String metric) {
        return Interval.of(Quantity.of(metric), results.stream().mapToDouble(result -> value(result, metric)).toArray());
    }

    public boolean has(String metric) {
        return of(metric).n() > 0;
    }

    /** The distribution's values of every seed, one after the other; empty where there is none. */
    public double[] distribution(String name) {
        return results.stream().map(result -> result.distributions().get(name)).filter(values -> values != null)
                .flatMapToDouble(Arrays::stream).filter(Double::isFinite).toArray();
    }

    /** What was measured with a seed. */
    Optional<CellResult> with(long seed) {
        return results.stream().filter(result -> result.cell().seed() == seed).findFirst();
    }

    /** This minus the other, seed by seed, over the seeds that have both. */
    Interval minus(Variant other, String metric) {
        return Interval.of(Quantity.ANY, results.stream().mapToDouble(result -> other.with(result.cell().seed())
                .map(beside -> value(result, metric) - value(beside, metric)).orElse(Double.NaN)).toArray());
    }

    /** NaN where it was not measured; a perplexity that is absent is exp of its loss. */
    static double value(CellResult result, String metric) {
        Map<String, Double> metrics = result.metrics();
        Double value = metrics.get(metric);
        if (value == null && metric.endsWith(".perplexity")) {
            Double loss = metrics.get(metric.replace(".perplexity", ".loss"));
            return loss == null ? Double.NaN : Math.exp(loss);
        }
        return value == null || !Double.isFinite(value) ? Double.NaN : value;
    }

    /** The names of everything measured. */
    Stream<String> metrics() {
        return results.stream().flatMap(result -> result.metrics().keySet().stream()).distinct();
    }
}
