package dev.lethe.report;

import dev.lethe.chart.Chart;
import gg.jte.html.HtmlTemplateOutput;
import gg.jte.html.OwaspHtmlTemplateOutput;
import gg.jte.output.StringOutput;
import java.util.List;
import java.util.function.Consumer;

/**
 * A part of a page under a heading of its own.
 *
 * @param heading of the part
 * @param lead    what it is about, may be empty
 * @param tables  first
 * @param notes   sentences below the tables
 * @param figures below these; what cannot be drawn is named at the end
 */
public record Section(String heading, String lead, List<Table> tables, List<String> notes, List<Figure> figures) {
    /**
     * Pictures that belong together, or why there are none.
     *
     * @param heading what they show, may be empty
     * @param charts  empty = left out
     * @param caption how to read them, or why they are left out; may be empty
     */
    public record Figure(String heading, List<? extends Chart> charts, String caption) {
        /** @param why a sentence */
        public static Figure missing(String heading, String why) {
            return new Figure(heading, List.of(), why);
        }
    }

    /**
     * The page of a template of src/main/jte, which the build makes a class of: nothing is read or compiled when a page is written, and
     * the engine escapes every text for its place. What neither HTML nor XML can hold stands in it as a replacement character.
     */
    public static String page(Consumer<HtmlTemplateOutput> template) {
        StringOutput page = new StringOutput();
        template.accept(new OwaspHtmlTemplateOutput(page));
        return page.toString().replaceAll("[\\p{Cntrl}\ufffe\uffff&&[^\\t\\n\\r]]", "\ufffd");
    }

    /** Figures that could not be drawn. */
    public List<Figure> missing() {
        return figures.stream().filter(figure -> figure.charts().isEmpty()).toList();
    }
}
