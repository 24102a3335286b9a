package dev.lethe.page;

import dev.lethe.report.Table.Csv;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Results as CSV (RFC 4180, a point for decimals). Times and memory differ from run to run and go into a table of their
 * own, so that the others are the same bytes whenever the same study is done.
 */
public final class Tables {
    private static final Set<String> VOLATILE = Set.of("cost.seconds", "cost.peak_bytes");
    private static final String CELL = "id,seed,head,forget,variant,strategy,sites,epochs,matching,calibration,contrast,repair,options";

    private Tables() { }

    /** A line a cell: what it is, whether it reached its reference and why not, then every metric that any cell has. */
    public static String results(List<CellResult> results) {
        List<String> names = names(results, false);
        StringBuilder csv = new StringBuilder(CELL + ",reached,note");
        names.forEach(name -> csv.append(',').append(Csv.cell(name)));
        csv.append('\n');
        for (CellResult result : results) {
            cell(csv, result).append(',').append(result.reached()).append(',').append(Csv.cell(result.note()));
            names.forEach(name -> csv.append(',').append(number(result.metrics().get(name))));
            csv.append('\n');
        }
        return csv.toString();
    }

    /** Seconds and peak memory of each cell. */
    public static String timings(List<CellResult> results) {
        StringBuilder csv = new StringBuilder("id,seed,forget,variant,cost.seconds,cost.peak_bytes\n");
        for (CellResult result : results) {
            csv.append(result.id()).append(',').append(result.cell().seed()).append(',').append(Csv.cell(result.cell().forget()))
                    .append(',').append(Csv.cell(result.variant()))
                    .append(',').append(number(result.metrics().get("cost.seconds")))
                    .append(',').append(number(result.metrics().get("cost.peak_bytes"))).append('\n');
        }
        return csv.toString();
    }

    /** A line a metric of a variant: seeds, mean, and the ends of its 95 % interval ({@link Interval}; empty with one seed). */
    public static String summary(List<CellResult> results) {
        Map<String, List<CellResult>> variants = new LinkedHashMap<>();
        for (CellResult result : results) {
            String key = result.cell().head() + "," + Csv.cell(result.cell().forget()) + "," + Csv.cell(result.variant());
            variants.computeIfAbsent(key, _ -> new ArrayList<>()).add(result);
        }
        StringBuilder csv = new StringBuilder("head,forget,variant,metric,seeds,mean,low,high\n");
        variants.forEach((key, cells) -> {
            row(csv, key, "reached", cells.stream().mapToDouble(cell -> cell.reached() ? 1 : 0).toArray());
            for (String name : names(cells, false)) {
                row(csv, key, name, cells.stream().filter(cell -> cell.metrics().containsKey(name))
                        .mapToDouble(cell -> cell.metrics().get(name)).toArray());
            }
        });
        return csv.toString();
    }

    private static void row(StringBuilder csv, String key, String metric, double[] values) {
        Interval interval = Interval.of(Quantity.of(metric), values);
        csv.append(key).append(',').append(Csv.cell(metric)).append(',').append(values.length).append(',')
                .append(number(interval.mean())).append(',').append(number(interval.low())).append(',')
                .append(number(interval.high())).append('\n');
    }

    private static StringBuilder cell(StringBuilder csv, CellResult result) {
        Cell cell = result.cell();
        csv.append(result.id()).append(',').append(cell.seed());
        for (String text : List.of(cell.head(), cell.forget(), result.variant(), cell.strategy(), cell.sites(), cell.epochs(),
                cell.matching(), cell.calibration(), cell.contrast())) {
            csv.append(',').append(Csv.cell(text));
        }
        return csv.append(',').append(cell.repair()).append(',').append(Csv.cell(cell.options()));
    }

    private static List<String> names(List<CellResult> results, boolean timing) {
        Set<String> names = new TreeSet<>(Comparator.naturalOrder());
        results.forEach(result -> names.addAll(result.metrics().keySet()));
        names.removeIf(name -> VOLATILE.contains(name) != timing);
        return List.copyOf(names);
    }

    private static String number(Double value) {
        return value == null || !Double.isFinite(value) ? "" : value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString(value.longValue()) : String.format(Locale.ROOT, "%.8g", value);
    }
}
