package dev.lethe.report;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.chart.Chart;
import dev.lethe.chart.Pictures;
import dev.lethe.html.JtereportGenerated;
import dev.lethe.report.ReportData.Group;
import dev.lethe.report.ReportData.Line;
import dev.lethe.report.ReportData.Scores;
import dev.lethe.report.Section.Table;
import dev.lethe.report.Section.Table.Row;
import dev.lethe.results.RecordMetric;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** Writes report.html, report.json and one PNG a chart into a folder. Each file appears whole. */
public final class ReportWriter {
    private ReportWriter() {}

    /**
     * Writes a report; an older one in the folder is replaced.
     *
     * @return the page's path
     * @throws BadInputException when the folder cannot be written
     */
    public static Path write(ReportData data, Path folder) {
        List<Chart> charts = Charts.of(data);
        Path page = folder.resolve("report.html");
        Io.input(folder + ": the report cannot be written", () -> {
            PrivateFiles.makeFolder(folder);
            PrivateFiles.write(folder.resolve("report.json"), ResultJson.pretty(data));
            Pictures.png(charts, folder);
            PrivateFiles.write(page, page(data, charts));
        });
        return page;
    }

    private static String page(ReportData data, List<Chart> charts) {
        Section figures = new Section("Curves", "", List.of(), List.of(), List.of(new Section.Figure("", charts, "")));
        return Section.page(out -> JtereportGenerated.render(out, null, data, ReportTables.of(data), figures));
    }

    /** The engineer's tables of a report; one without a number is left out. */
    static final class ReportTables {
        private ReportTables() { }

        static List<Table> of(ReportData data) {
            List<Table> tables = new ArrayList<>();
            List<Row> groups = new ArrayList<>();
            measure(groups, data, "mean token loss, nats", "%.3f", Scores::meanLoss);
            measure(groups, data, "perplexity", "%.2f", Scores::perplexity);
            RecordMetric.means().forEach(metric ->
                    measure(groups, data, metric.heading(), "%.3f", scores -> scores.means().getOrDefault(metric, Double.NaN)));
            measure(groups, data, "ROUGE-L recall of greedy continuations", "%.3f", Scores::rougeLRecall);
            if (!groups.isEmpty()) {
                List<String> columns = new ArrayList<>(List.of("measure", "of", "records"));
                columns.addAll(data.columns());
                tables.add(Table.of("What the model knows", columns, groups));
            }
            if (!data.records().isEmpty()) {
                List<String> columns = new ArrayList<>(List.of("record", "group"));
                for (String measure : List.of("loss, nats", "exact mem.", "ROUGE-L")) {
                    data.columns().forEach(column -> columns.add(measure + "\n" + column));
                }
                tables.add(Table.of("Record by record", columns,
                        data.records().stream().map(line -> row(line, data.columns().size())).toList()));
            }
            return tables;
        }

        private static void measure(List<Row> rows, ReportData data, String name, String format, ToDoubleFunction<Scores> value) {
            if (data.groups().stream().flatMap(group -> group.scores().stream()).mapToDouble(value).allMatch(Double::isNaN)) {
                return;
            }
            for (Group group : data.groups()) {
                List<String> cells = new ArrayList<>(List.of(name, group.name(), String.format(Locale.ROOT, "%,d", group.records())));
                group.scores().forEach(scores -> cells.add(number(format, value.applyAsDouble(scores))));
                rows.add(new Row(false, cells));
            }
        }

        private static Row row(Line line, int models) {
            List<String> cells = new ArrayList<>(List.of(line.name(), line.group()));
            for (Function<Line, List<Double>> measure : List.<Function<Line, List<Double>>>of(Line::loss, Line::exactMemorisation,
                    Line::rougeLRecall)) {
                List<Double> values = measure.apply(line);
                for (int m = 0; m < models; m++) {
                    cells.add(m < values.size() ? number("%.3f", values.get(m)) : "–");
                }
            }
            return new Row(false, cells);
        }

        private static String number(String format, double value) {
            return Double.isFinite(value) ? String.format(Locale.ROOT, format, value) : "–";
        }
    }
}
