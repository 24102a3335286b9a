package dev.lethe.console;

import dev.lethe.results.EraseStep;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * One line of progress with a share, a rate and the time left: rewritten in place on a terminal, a plain line now and
 * then in a pipe. Silent without a terminal. Not thread-safe.
 */
public final class Progress implements AutoCloseable {
    private static final long REDRAW_NANOS = Duration.ofMillis(100).toNanos();
    private static final long LINE_NANOS = Duration.ofSeconds(10).toNanos();
    private static final int BAR = 24;

    private final Terminal terminal;
    private final long start = System.nanoTime();
    private long shown;
    private long first;

    Progress(Terminal terminal) {
        this.terminal = terminal;
    }

    /** A head start, as a resumed training has: it says nothing of the speed. */
    public void from(long done) {
        first = done;
    }

    /**
     * Says how far a piece of work is.
     *
     * @param what such as "train"
     * @param done so far
     * @param total of all, 0 when it is not known
     * @param detail to be shown behind, such as a loss and a rate; its last parts are left out first
     */
    public void update(String what, long done, long total, String detail) {
        long now = System.nanoTime();
        int columns = terminal == null ? 0 : terminal.columns();
        boolean whole = total > 0 && done >= total;
        if (terminal == null || !whole && shown != 0 && now - shown < (columns > 0 ? REDRAW_NANOS : LINE_NANOS)) {
            return;
        }
        shown = now;
        List<String> figures = new ArrayList<>();
        figures.add(String.format(Locale.ROOT, total > 0 ? "%,d/%,d" : "%,d", done, total));
        figures.addAll(time(now - start, done, total));
        figures.addAll(detail.isEmpty() ? List.of() : List.of(detail.split(", ")));
        if (columns > 0) {
            terminal.rewrite(fitted(what, total > 0 ? bar((double) done / total) + " " : "", figures, columns - 1));
        } else {
            terminal.say("%s %s", what, String.join(", ", figures));
        }
    }

    /** One line of so many letters: the last figures go first, then the bar. */
    static String fitted(String what, String bar, List<String> figures, int width) {
        List<String> left = new ArrayList<>(figures);
        String line = what + " " + String.join(", ", left);
        while (line.length() > width && left.size() > 2) {
            left.removeLast();
            line = what + " " + String.join(", ", left);
        }
        return line.length() + bar.length() <= width ? what + " " + bar + String.join(", ", left)
                : line.substring(0, Math.clamp(line.length(), 0, Math.max(1, width)));
    }

    /** What it took, or what is left at this process's own speed. */
    private List<String> time(long taken, long done, long total) {
        if (total <= 0 || done < total && done <= first) {
            return List.of();
        }
        return List.of(done >= total ? duration(taken)
                : duration((long) ((double) taken * (total - done) / (done - first))) + " left");
    }

    private static String bar(double share) {
        int filled = (int) Math.clamp(BAR * share, 0, BAR);
        return "[" + "=".repeat(filled) + " ".repeat(BAR - filled) + "]";
    }

    /** Nanoseconds as "0:07", "12:30" or "1:02:03". */
    public static String duration(long nanos) {
        long seconds = Math.round(nanos / 1e9);
        return seconds < 3600 ? String.format(Locale.ROOT, "%d:%02d", seconds / 60, seconds % 60)
                : String.format(Locale.ROOT, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }

    @Override
    public void close() {
        end();
    }

    /** Ends the line that is being rewritten. */
    public void end() {
        if (terminal != null) {
            terminal.endLine();
        }
    }

    /** What the moves of an erasure have last left of the forget and retain loss: most look at one of them, or at none. */
    public static final class LastLosses {
        private double forget = Double.NaN;
        private double retain = Double.NaN;

        public void see(EraseStep step) {
            if (!step.rolledBack()) {
                forget = Double.isNaN(step.forget()) ? forget : step.forget();
                retain = Double.isNaN(step.retain()) ? retain : step.retain();
            }
        }

        /** As a line of progress has them. */
        public String beside(double target) {
            return String.format(Locale.ROOT, "forget %.3f of %.3f, retain %.3f", forget, target, retain);
        }
    }
}
