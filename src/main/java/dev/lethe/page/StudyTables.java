package dev.lethe.page;

import dev.lethe.report.Table;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Every variant's measures as means over the seeds with 95 % intervals, references first; for people and as CSV. */
final class StudyTables {
    private StudyTables() { }

    /** One table a topic, of one forget set. */
    static List<Table> of(Study study) {
        List<Table> tables = new ArrayList<>();
        for (MetricColumn.Topic topic : MetricColumn.of(study)) {
            List<Variant> shown = study.variants().stream()
                    .filter(variant -> topic.measures().stream().anyMatch(measure -> variant.has(measure.key())))
                    .toList();
            List<String> columns = Stream.concat(Stream.of("variant", "seeds", "reached"),
                    topic.measures().stream().map(MetricColumn::label)).toList();
            tables.add(Table.of(topic.title(), columns, shown.stream().map(variant -> row(variant, topic)).toList()));
        }
        return tables;
    }

    private static Table.Row row(Variant variant, MetricColumn.Topic topic) {
        long reached = variant.results().stream().filter(CellResult::reached).count();
        int seeds = variant.results().size();
        List<String> cells = new ArrayList<>(List.of(variant.name(), String.valueOf(seeds),
                variant.isReference() ? "" : reached + " of " + seeds));
        for (MetricColumn measure : topic.measures()) {
            Interval interval = variant.of(measure.key());
            cells.add(interval.text(measure.format()).replace(" [", "\n[")
                    + (interval.n() > 0 && interval.n() < seeds ? " (n " + interval.n() + ")" : ""));
        }
        return new Table.Row(variant.isReference(), cells);
    }

    /** Of all forget sets: the cell's choices, then of each measure mean, low, high and n; empty = not measured. */
    static String csv(Study study) {
        List<String> keys = MetricColumn.of(study).stream().flatMap(topic -> topic.measures().stream()).map(MetricColumn::key)
                .toList();
        List<String> columns = new ArrayList<>(List.of("forget", "variant", "head", "strategy", "sites", "epochs",
                "matching", "calibration", "contrast", "repair", "options", "seeds", "reached"));
        keys.forEach(key -> columns.addAll(List.of(key, key + ".low", key + ".high", key + ".n")));
        List<List<String>> rows = new ArrayList<>();
        for (Variant variant : study.variants()) {
            Cell cell = variant.cell();
            List<String> row = new ArrayList<>(List.of(cell.forget(), variant.name(), cell.head(), cell.strategy(),
                    cell.sites(), cell.epochs(), cell.matching(), cell.calibration(), cell.contrast(),
                    String.valueOf(cell.repair()), cell.options(), String.valueOf(variant.results().size()),
                    String.valueOf(variant.results().stream().filter(CellResult::reached).count())));
            for (String key : keys) {
                Interval interval = variant.of(key);
                row.addAll(List.of(number(interval.mean()), number(interval.low()), number(interval.high()),
                        String.valueOf(interval.n())));
            }
            rows.add(row);
        }
        return Table.csv(columns, rows);
    }

    private static String number(double value) {
        return Double.isFinite(value) ? String.valueOf(value) : "";
    }
}
