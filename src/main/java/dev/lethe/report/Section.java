package dev.lethe.report;

import dev.lethe.chart.Chart;
import gg.jte.html.HtmlTemplateOutput;
import gg.jte.html.OwaspHtmlTemplateOutput;
import gg.jte.output.StringOutput;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

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

    /**
     * Rows of text under headings; the first column is read to the left, the others to the right unless they hold prose.
     */
    public record Table(String title, List<String> columns, List<Row> rows, boolean prose) {
        /** @param marked what the others are compared with: set off from them */
        public record Row(boolean marked, List<String> cells) {}

        public static Table of(String title, List<String> columns, List<Row> rows) {
            return new Table(title, columns, rows, false);
        }

        /** As comma-separated values (RFC 4180), headings first. */
        public static String csv(List<String> columns, List<List<String>> rows) {
            return csv(columns, rows, "\r\n");
        }

        /** The same with another line end. */
        public static String csv(List<String> columns, List<List<String>> rows, String end) {
            return Stream.concat(Stream.of(columns), rows.stream())
                    .map(row -> row.stream().map(Csv::cell).collect(Collectors.joining(",")) + end)
                    .collect(Collectors.joining());
        }

        /** Cells of comma-separated values (RFC 4180). */
        public static final class Csv {
            private static final String NUMBER = "[-+]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][-+]?[0-9]+)?";

            private Csv() {}

            /**
             * A text as a cell, in quotes where it needs them. One that a spreadsheet would run as a formula, for it begins with
             * =, +, -, @, a tab or a carriage return and is no number, has an apostrophe before it: an id must not act.
             */
            public static String cell(String text) {
                boolean formula = !text.isEmpty() && "=+-@\t\r".indexOf(text.charAt(0)) >= 0 && !text.matches(NUMBER);
                String plain = formula ? "'" + text : text;
                return plain.matches("[^\",\\r\\n]*") ? plain : '"' + plain.replace("\"", "\"\"") + '"';
            }
        }
    }
}
