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
        show(what, total > 0 ? (double) done / total : Double.NaN, total > 0 ? (double) (done - first) / (total - first)
                : Double.NaN, String.format(Locale.ROOT, total > 0 ? "%,d/%,d" : "%,d", done, total), detail);
    }

    /** The same for work that is measured by how near it has come, 0..1. */
    void share(String what, double share, String detail) {
        double within = Math.clamp(share, 0, 1);
        show(what, within, within, String.format(Locale.ROOT, "%.0f %%", 100 * within), detail);
    }

    /** @param mine share of this process's own part, for the time left */
    private void show(String what, double share, double mine, String count, String detail) {
        long now = System.nanoTime();
        long wait = terminal != null && terminal.interactive() ? REDRAW_NANOS : LINE_NANOS;
        if (terminal == null || !(share >= 1) && shown != 0 && now - shown < wait) {
            return;
        }
        shown = now;
        String time = share >= 1 ? ", " + duration(now - start)
                : mine > 0 ? ", " + duration((long) ((now - start) * (1 - mine) / mine)) + " left" : "";
        String figures = count + (detail.isEmpty() ? "" : ", " + detail) + time;
        if (terminal.interactive()) {
            terminal.err().print("\r\033[K" + what + " " + bar(share) + " " + figures);
            terminal.err().flush();
            open = true;
        } else {
            terminal.err().println("lethe: " + what + " " + figures);
        }
    }

    private static String bar(double share) {
        int filled = share > 0 ? (int) Math.min(BAR, BAR * share) : 0;
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
