package dev.lethe.cli;

import dev.lethe.console.Terminal;
import java.util.logging.ConsoleHandler;
import java.util.logging.Formatter;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** Makes libraries quiet: warnings of ours as one line on stderr, those of others only when they are errors. */
final class Logging {
    /** Kept, for the log manager forgets a logger, level and all, that nobody holds. */
    private static final Logger OURS = Logger.getLogger("dev.lethe");

    private Logging() {}

    static void quiet() {
        System.setProperty("slf4j.internal.verbosity", "ERROR"); // the tokenizers' logging facade has no back end here
        LogManager.getLogManager().reset();
        Logger root = Logger.getLogger("");
        ConsoleHandler handler = new ConsoleHandler();
        handler.setFormatter(new Formatter() {
            @Override
            public String format(LogRecord entry) {
                return "lethe: " + Terminal.visible(formatMessage(entry)) + "\n";
            }
        });
        root.addHandler(handler);
        root.setLevel(Level.SEVERE);
        OURS.setLevel(Level.WARNING);
    }
}
