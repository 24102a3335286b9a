package dev.lethe.cli;

import java.time.Duration;
import java.util.Locale;

/**
 * One line of progress with a share, a rate and the time left: rewritten in place on a terminal, a plain line now and
 * then in a pipe. Silent without a terminal. Not thread-safe.
 */
final class Progress implements AutoCloseable {
    private static final long REDRAW_NANOS = Duration.ofMillis(100).toNanos();
    private static final long LINE_NANOS = Duration.ofSeconds(10).toNanos();
    private static final int BAR = 24;

    private final Terminal terminal;
    private final long start = System.nanoTime();
    private long shown;
    private long first;
    private boolean open;

    Progress(Terminal terminal) {
        this.terminal = terminal;
    }

    /** A head start, as a resumed training has: it says nothing of the speed. */
    void from(long done) {
        first = done;
    }

    /**
     * Says how far a piece of work is.
     *
     * @param what such as "train"
     * @param done so far
     * @param total of all, 0 when it is not known
     * @param detail to be shown behind, such as a loss and a rate
     */
    void update(String what, long done, long total, String detail) {
        long now = System.nanoTime();
        long wait = terminal != null && terminal.interactive() ? REDRAW_NANOS : LINE_NANOS;
        boolean whole = total > 0 && done >= total;
        if (terminal == null || !whole && shown != 0 && now - shown < wait) {
            return;
        }
        shown = now;
        String count = String.format(Locale.ROOT, total > 0 ? "%,d/%,d" : "%,d", done, total);
        String figures = count + (detail.isEmpty() ? "" : ", " + detail) + (total > 0 ? time(now - start, done, total) : "");
        if (terminal.interactive()) {
            terminal.err().print("\r\033[K" + Terminal.visible(what)
                    + (total > 0 ? " " + bar((double) done / total) : "") + " " + figures);
            terminal.err().flush();
            open = true;
        } else {
            terminal.say("%s %s", what, figures);
        }
    }

    /** What it took, or what is left at this process's own speed. */
    private String time(long taken, long done, long total) {
        if (done >= total) {
            return ", " + duration(taken);
        }
        return done > first ? ", " + duration((long) ((double) taken * (total - done) / (done - first))) + " left" : "";
    }

    private static String bar(double share) {
        int filled = (int) Math.clamp(BAR * share, 0, BAR);
        return "[" + "=".repeat(filled) + " ".repeat(BAR - filled) + "]";
    }

    /** Nanoseconds as "0:07", "12:30" or "1:02:03". */
    static String duration(long nanos) {
        long seconds = Math.round(nanos / 1e9);
        return seconds < 3600 ? String.format(Locale.ROOT, "%d:%02d", seconds / 60, seconds % 60)
                : String.format(Locale.ROOT, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }

    @Override
    public void close() {
        end();
    }

    /** Ends the line that is being rewritten. */
    void end() {
        if (open) {
            terminal.err().println();
            open = false;
        }
    }
}
