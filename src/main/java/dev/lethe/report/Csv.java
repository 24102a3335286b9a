package dev.lethe.report;

/** Cells of comma-separated values (RFC 4180). */
public final class Csv {
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
