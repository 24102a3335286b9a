package dev.lethe.report;

import dev.lethe.chart.Chart;
import dev.lethe.report.ReportData.Fact;
import dev.lethe.report.ReportData.Group;
import dev.lethe.report.ReportData.Sample;
import dev.lethe.report.ReportData.Scores;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The page on one run: what was done, what the models know, the plots, what the models say. */
final class HtmlReport {
    private HtmlReport() {}

    static String page(ReportData data, List<Chart> charts) {
        HtmlPage page = new HtmlPage(data.title(), 60);
        page.facts(data.facts());
        groups(page, data);
        charts.forEach(chart -> page.figure(chart, ""));
        samples(page, data);
        if (!data.notes().isEmpty()) {
            page.heading(2, "Notes");
            data.notes().forEach(page::note);
        }
        return page.finish();
    }

    private static void groups(HtmlPage page, ReportData data) {
        if (data.groups().isEmpty()) {
            return;
        }
        page.heading(2, "What the model knows");
        table(page, data, "Perplexity", "%.2f", Scores::perplexity);
        table(page, data, "Mean token loss, nats", "%.3f", Scores::meanLoss);
        table(page, data, "Exact memorisation", "%.3f", Scores::exactMemorisation);
        table(page, data, "ROUGE-L recall of greedy continuations", "%.3f", Scores::rougeLRecall);
    }

    private static void table(HtmlPage page, ReportData data, String name, String format,
            ToDoubleFunction<Scores> value) {
        if (data.groups().stream().flatMap(group -> group.scores().stream()).mapToDouble(value)
                .allMatch(Double::isNaN)) {
            return;
        }
        List<String> columns = new ArrayList<>(List.of(name));
        columns.addAll(data.columns());
        List<Table.Row> rows = new ArrayList<>();
        for (Group group : data.groups()) {
            List<String> cells = new ArrayList<>(List.of(group.name() + " (" + group.records() + " records)"));
            group.scores().forEach(scores -> cells.add(number(format, value.applyAsDouble(scores))));
            rows.add(new Table.Row(false, cells));
        }
        page.table(Table.of(name, columns, rows), false);
    }

    private static void samples(HtmlPage page, ReportData data) {
        if (data.samples().isEmpty()) {
            return;
        }
        page.heading(2, "What the model says").note("Greedy continuations of a record's prompt.");
        for (Sample sample : data.samples()) {
            List<Fact> said = new ArrayList<>(List.of(new Fact("prompt", sample.prompt()),
                    new Fact("record", sample.reference())));
            for (int i = 0; i < sample.byModel().size(); i++) {
                said.add(new Fact(data.columns().get(i), sample.byModel().get(i)));
            }
            page.sample(sample.id(), sample.group(), said);
        }
    }

    private static String number(String format, double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, format, value) : "–";
    }
}
