package dev.lethe.report;

import dev.lethe.report.ReportData.Group;
import dev.lethe.report.ReportData.Sample;
import dev.lethe.report.ReportData.Scores;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** The page: one file, no script, nothing fetched; reads well on paper too. */
final class HtmlReport {
    private static final String STYLE = """
            body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 60rem; margin: 2rem auto;
              padding: 0 1rem; }
            h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
            table { border-collapse: collapse; margin: .6rem 0; min-width: 44rem } th, td { padding: .25rem .8rem; text-align: right;
              border-bottom: 1px solid #ddd } th:first-child, td:first-child { text-align: left; width: 24rem }
            thead th { border-bottom: 2px solid #444 } dl { display: grid; grid-template-columns: max-content 1fr;
              gap: .1rem 1.2rem } dt { color: #555 } dd { margin: 0 } figure { margin: 1rem 0 } svg { width: 100%;
              height: auto; max-width: 45rem } .sample { border-left: 4px solid #ccc; padding-left: .9rem; margin: 1.1rem 0 }
            .sample p { margin: .1rem 0 } .who { display: inline-block; min-width: 6.5rem; color: #555 } .note { color: #444 }
            code { font-size: .92em } @media print { figure, .sample { break-inside: avoid } }
            """;

    private HtmlReport() {}

    static String page(ReportData data, List<Chart> charts) {
        StringBuilder page = new StringBuilder("<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
                + "<meta name='viewport' content='width=device-width, initial-scale=1'><title>" + escape(data.title())
                + "</title>\n<style>\n" + STYLE + "</style></head><body>\n<h1>" + escape(data.title()) + "</h1>\n");
        facts(page, data);
        groups(page, data);
        for (Chart chart : charts) {
            page.append("<figure>\n").append(chart.svg()).append("</figure>\n");
        }
        samples(page, data);
        if (!data.notes().isEmpty()) {
            page.append("<h2>Notes</h2>\n");
            data.notes().forEach(note -> page.append("<p class='note'>").append(escape(note)).append("</p>\n"));
        }
        return page.append("</body></html>\n").toString();
    }

    private static void facts(StringBuilder page, ReportData data) {
        page.append("<dl>\n");
        data.facts().forEach(fact -> page.append("<dt>").append(escape(fact.label())).append("</dt><dd>")
                .append(escape(fact.value())).append("</dd>\n"));
        page.append("</dl>\n");
    }

    private static void groups(StringBuilder page, ReportData data) {
        if (data.groups().isEmpty()) {
            return;
        }
        page.append("<h2>What the model knows</h2>\n");
        table(page, data, "Perplexity", "%.2f", Scores::perplexity);
        table(page, data, "Mean token loss, nats", "%.3f", Scores::meanLoss);
        table(page, data, "Exact memorisation", "%.3f", Scores::exactMemorisation);
        table(page, data, "ROUGE-L recall of greedy continuations", "%.3f", Scores::rougeLRecall);
    }

    private static void table(StringBuilder page, ReportData data, String name, String format, ToDoubleFunction<Scores> value) {
        if (data.groups().stream().flatMap(group -> group.scores().stream()).mapToDouble(value).allMatch(Double::isNaN)) {
            return;
        }
        page.append("<table><thead><tr><th>").append(escape(name)).append("</th>");
        data.columns().forEach(column -> page.append("<th>").append(escape(column)).append("</th>"));
        page.append("</tr></thead><tbody>\n");
        for (Group group : data.groups()) {
            page.append("<tr><td>").append(escape(group.name())).append(" (").append(group.records()).append(" records)</td>");
            group.scores().forEach(scores -> page.append("<td>").append(number(format, value.applyAsDouble(scores)))
                    .append("</td>"));
            page.append("</tr>\n");
        }
        page.append("</tbody></table>\n");
    }

    private static void samples(StringBuilder page, ReportData data) {
        if (data.samples().isEmpty()) {
            return;
        }
        page.append("<h2>What the model says</h2>\n<p class='note'>Greedy continuations of a record's prompt.</p>\n");
        for (Sample sample : data.samples()) {
            page.append("<div class='sample'><p><code>").append(escape(sample.id())).append("</code> (")
                    .append(escape(sample.group())).append(")</p>\n");
            said(page, "prompt", sample.prompt());
            said(page, "record", sample.reference());
            for (int i = 0; i < sample.byModel().size(); i++) {
                said(page, data.columns().get(i), sample.byModel().get(i));
            }
            page.append("</div>\n");
        }
    }

    private static void said(StringBuilder page, String who, String text) {
        page.append("<p><span class='who'>").append(escape(who)).append("</span>").append(escape(text)).append("</p>\n");
    }

    private static String number(String format, double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, format, value) : "&ndash;";
    }

    private static String escape(String text) {
        return SvgCanvas.escape(text);
    }
}
