package dev.lethe.page;

import dev.lethe.report.Section.Table;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Results as CSV (RFC 4180, a point for decimals). Times and memory differ from run to run and go into a table of their
 * own, so that the others are the same bytes whenever the same study is done.
 */
public final class Tables {
    private static final List<String> VOLATILE = List.of("cost.seconds", "cost.peak_bytes");
    private static final List<String> CELL = List.of("id", "seed", "head", "forget", "variant", "strategy", "sites", "epochs", "matching",
            "calibration", "contrast", "repair", "options");

    private Tables() { }

    /** A line a cell: what it is, whether it reached its reference and why not, then every metric that any cell has. */
    public static String results(List<CellResult> results) {
        List<String> names = names(results);
        return csv(joined(CELL, List.of("reached", "note"), names), results.stream().map(result -> {
            Cell cell = result.cell();
            return joined(List.of(result.id(), "" + cell.seed(), cell.head(), cell.forget(), result.variant(), cell.strategy(),
                    cell.sites(), cell.epochs(), cell.matching(), cell.calibration(), cell.contrast(), "" + cell.repair(),
                    cell.options(), "" + result.reached(), result.note()), numbers(result, names));
        }));
    }

    /** Seconds and peak memory of each cell. */
    public static String timings(List<CellResult> results) {
        return csv(joined(List.of("id", "seed", "forget", "variant"), VOLATILE), results.stream().map(result -> joined(List.of(
                result.id(), "" + result.cell().seed(), result.cell().forget(), result.variant()), numbers(result, VOLATILE))));
    }

    /** A line a metric of a variant: seeds, mean, and the ends of its 95 % interval ({@link Interval}; empty with one seed). */
    public static String summary(List<CellResult> results) {
        Map<List<String>, List<CellResult>> variants = results.stream().collect(Collectors.groupingBy(
                result -> List.of(result.cell().head(), result.cell().forget(), result.variant()), LinkedHashMap::new,
                Collectors.toList()));
        List<List<String>> rows = new ArrayList<>();
        variants.forEach((variant, cells) -> {
            rows.add(row(variant, "reached", cells.stream().mapToDouble(cell -> cell.reached() ? 1 : 0).toArray()));
            names(cells).forEach(name -> rows.add(row(variant, name, cells.stream().filter(cell -> cell.metrics().containsKey(name))
                    .mapToDouble(cell -> cell.metrics().get(name)).toArray())));
        });
        return csv(List.of("head", "forget", "variant", "metric", "seeds", "mean", "low", "high"), rows.stream());
    }

    private static List<String> row(List<String> variant, String metric, double[] values) {
        Interval interval = Interval.of(Quantity.of(metric), values);
        return joined(variant, List.of(metric, "" + values.length, number(interval.mean()), number(interval.low()),
                number(interval.high())));
    }

    private static String csv(List<String> columns, Stream<List<String>> rows) {
        return Table.csv(columns, rows.toList(), "\n");
    }

    @SafeVarargs
    private static List<String> joined(List<String>... parts) {
        return Stream.of(parts).flatMap(List::stream).toList();
    }

    private static List<String> names(List<CellResult> results) {
        return results.stream().flatMap(result -> result.metrics().keySet().stream()).filter(name -> !VOLATILE.contains(name)).distinct()
                .sorted().toList();
    }

    private static List<String> numbers(CellResult result, List<String> names) {
        return names.stream().map(name -> number(result.metrics().get(name))).toList();
    }

    private static String number(Double value) {
        return value == null || !Double.isFinite(value) ? "" : value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString(value.longValue()) : String.format(Locale.ROOT, "%.8g", value);
    }
}
