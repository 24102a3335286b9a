package dev.lethe.report;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

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
