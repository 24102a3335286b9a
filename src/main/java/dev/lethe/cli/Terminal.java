package dev.lethe.cli;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * Where a command speaks: results to {@code out}, progress and messages to {@code err}.
 *
 * @param interactive whether {@code err} is a terminal, on which a line can be rewritten
 */
record Terminal(PrintStream out, PrintStream err, boolean interactive) {
    /** The process's own streams, in UTF-8. */
    static Terminal ofProcess() {
        boolean terminal = System.console() != null && System.console().isTerminal();
        return new Terminal(new PrintStream(System.out, true, StandardCharsets.UTF_8),
                new PrintStream(System.err, true, StandardCharsets.UTF_8), terminal);
    }

    /** A line of result. */
    void print(String format, Object... values) {
        out.println(String.format(Locale.ROOT, format, values));
    }

    /** A line for the person watching. */
    void say(String format, Object... values) {
        err.println("lethe: " + String.format(Locale.ROOT, format, values));
    }
}
