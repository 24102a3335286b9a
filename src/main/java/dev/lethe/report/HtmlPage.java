package dev.lethe.report;

import dev.lethe.chart.Chart;
import dev.lethe.chart.SvgCanvas;
import java.util.List;
import java.util.Locale;

/** A page as it grows: one file, no script, nothing fetched, well-formed as XML too; reads well on paper. */
public final class HtmlPage {
    private static final String STYLE = """
            body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: %drem;
              margin: 2rem auto; padding: 0 1rem; }
            h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
            h3 { font-size: 1rem; margin: 1.6rem 0 .2rem } .wide { overflow-x: auto }
            table { border-collapse: collapse; margin: .6rem 0; min-width: 44rem } th, td { padding: .25rem .8rem;
              text-align: right; border-bottom: 1px solid #ddd }
            th:first-child, td:first-child { text-align: left; width: 24rem }
            .tight { font-size: .84rem; min-width: 0; font-variant-numeric: tabular-nums }
            .tight th, .tight td { padding: .2rem .5rem; vertical-align: top }
            .tight th:first-child, .tight td:first-child { width: auto; min-width: 11rem }
            .numbers td + td { white-space: pre }
            .prose th, .prose td { text-align: left } tr.marked td { background: #eee; border-bottom: 1px solid #999 }
            caption { text-align: left; font-weight: 600; padding: .4rem 0 }
            thead th { border-bottom: 2px solid #444 } dl { display: grid; grid-template-columns: max-content 1fr;
              gap: .1rem 1.2rem } dt { color: #555 } dd { margin: 0 } figure { margin: 1rem 0 } svg { width: 100%%;
              height: auto } figcaption { color: #444; font-size: .9rem }
            .sample { border-left: 4px solid #ccc; padding-left: .9rem; margin: 1.1rem 0 }
            .sample p { margin: .1rem 0 } .who { display: inline-block; min-width: 6.5rem; color: #555 }
            .note { color: #444 }
            code { font-size: .92em } @media print { figure, .sample { break-inside: avoid } }
            """;

    private final StringBuilder page;

    /** @param widthRem of the text */
    public HtmlPage(String title, int widthRem) {
        page = new StringBuilder("<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'/>"
                + "<meta name='viewport' content='width=device-width, initial-scale=1'/><title>" + escape(title)
                + "</title>\n<style>\n" + String.format(Locale.ROOT, STYLE, widthRem) + "</style></head><body>\n<h1>"
                + escape(title) + "</h1>\n");
    }

    /** @param level 2 or 3 */
    public HtmlPage heading(int level, String text) {
        page.append("<h").append(level).append('>').append(escape(text)).append("</h").append(level).append(">\n");
        return this;
    }

    public HtmlPage note(String text) {
        page.append("<p class='note'>").append(escape(text)).append("</p>\n");
        return this;
    }

    /** A note that names files beside the page. */
    public HtmlPage files(String text, List<String> paths) {
        page.append("<p class='note'>").append(escape(text));
        paths.forEach(path -> page.append(" <a href='").append(escape(path)).append("'>").append(escape(path))
                .append("</a>"));
        page.append("</p>\n");
        return this;
    }

    public HtmlPage facts(List<ReportData.Fact> facts) {
        page.append("<dl>\n");
        facts.forEach(fact -> page.append("<dt>").append(escape(fact.label())).append("</dt><dd>")
                .append(escape(fact.value())).append("</dd>\n"));
        page.append("</dl>\n");
        return this;
    }

    /** The picture at its own width, or narrower where there is less room. */
    public HtmlPage figure(Chart chart, String caption) {
        page.append("<figure style='max-width:").append(chart.width()).append("px'>\n").append(chart.svg());
        if (!caption.isEmpty()) {
            page.append("<figcaption>").append(escape(caption)).append("</figcaption>\n");
        }
        page.append("</figure>\n");
        return this;
    }

    public HtmlPage table(Table table, boolean tight) {
        page.append("<div class='wide'><table class='").append(tight ? "tight " : "")
                .append(table.prose() ? "prose" : "numbers").append("'>");
        if (tight && !table.title().isEmpty()) {
            page.append("<caption>").append(escape(table.title())).append("</caption>");
        }
        page.append("<thead><tr>");
        table.columns().forEach(column -> page.append("<th>").append(escape(column)).append("</th>"));
        page.append("</tr></thead><tbody>\n");
        for (Table.Row row : table.rows()) {
            page.append(row.marked() ? "<tr class='marked'>" : "<tr>");
            row.cells().forEach(cell -> page.append("<td>").append(escape(cell)).append("</td>"));
            page.append("</tr>\n");
        }
        page.append("</tbody></table></div>\n");
        return this;
    }

    /** What one said, lines of who and what. */
    HtmlPage sample(String id, String group, List<ReportData.Fact> said) {
        page.append("<div class='sample'><p><code>").append(escape(id)).append("</code> (").append(escape(group))
                .append(")</p>\n");
        said.forEach(line -> page.append("<p><span class='who'>").append(escape(line.label())).append("</span>")
                .append(escape(line.value())).append("</p>\n"));
        page.append("</div>\n");
        return this;
    }

    /** The page's text; nothing can be added after it. */
    public String finish() {
        return page.append("</body></html>\n").toString();
    }

    private static String escape(String text) {
        return SvgCanvas.escape(text);
    }
}
