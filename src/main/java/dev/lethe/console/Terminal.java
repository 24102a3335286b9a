package dev.lethe.console;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.function.IntSupplier;

/**
 * Where a command speaks: results to {@code out}, progress and messages to {@code err}. Ids, subjects and file names are
 * other people's words: what would move a cursor or turn a line around is shown as its number.
 */
public final class Terminal {
    /** Whose commands speak through it. */
    public interface Owner {
        Terminal terminal();
    }

    private static final int STDERR = 2;

    private final Watched watched;
    private final PrintStream out;
    private final PrintStream err;
    private final IntSupplier columns;
    private String open; // the line that is being rewritten, or null
    private volatile boolean muted;

    /** @param columns how wide {@code err} is where it is a terminal, on which a line can be rewritten; else 0 */
    public Terminal(OutputStream out, OutputStream err, IntSupplier columns) {
        this.watched = new Watched(out);
        this.out = new PrintStream(watched, true, StandardCharsets.UTF_8);
        this.err = new PrintStream(new FilterOutputStream(err) {
            @Override
            public void write(byte[] bytes, int from, int count) throws IOException {
                if (!muted) {
                    this.out.write(bytes, from, count);
                }
            }
        }, true, StandardCharsets.UTF_8);
        this.columns = columns;
    }

    /** The process's own streams, in UTF-8. */
    public static Terminal ofProcess() {
        boolean dumb = "dumb".equals(System.getenv("TERM"));
        return new Terminal(new FileOutputStream(FileDescriptor.out), System.err, () -> dumb ? 0 : Window.columns(STDERR));
    }

    public PrintStream out() {
        return out;
    }

    public PrintStream err() {
        return err;
    }

    /** From here on {@code err} is shown nothing: another process speaks for this one. Any thread. */
    public void mute() {
        muted = true;
    }

    /** 0 where there is no terminal. Asked anew each time: windows change. */
    int columns() {
        return columns.getAsInt();
    }

    /**
     * Shows a line in place of the one that was shown so before; it must fit. The cursor stays at its begin: a window
     * that is made smaller wraps the line, and all of it then lies behind the cursor, to be cleared.
     */
    void rewrite(String line) {
        open = visible(line);
        err.print("\r\033[J" + open + "\r");
        err.flush();
    }

    /** Leaves the line that is being rewritten as it is, or as much of it as still fits. */
    void endLine() {
        if (open != null) {
            err.println("\r\033[J" + open.substring(0, Math.clamp(columns() - 1, 0, open.length())));
            open = null;
        }
    }

    /** A line of result; a value never begins another line. */
    public void print(String format, Object... values) {
        Object[] shown = Arrays.stream(values).map(value -> value instanceof Number ? value
                : visible(String.valueOf(value)).replace("\n", "\\n")).toArray();
        out.println(String.format(Locale.ROOT, format, shown));
    }

    /** A line for the person watching, or several of one message. */
    public void say(String format, Object... values) {
        endLine();
        err.println(visible("lethe: " + String.format(Locale.ROOT, format, values)));
    }

    /** Why results did not get out; null while they do, and where the reader just had enough (a closed pipe). */
    public IOException failure() {
        out.flush();
        IOException e = watched.failure;
        return e == null || String.valueOf(e).contains("Broken pipe") ? null : e;
    }

    /** Control characters and marks of writing direction as u001b with a backslash before; line ends stay. */
    public static String visible(String text) {
        StringBuilder shown = new StringBuilder(text.length());
        text.codePoints().forEach(c -> {
            if (c != '\n' && (Character.isISOControl(c) || c >= 0x2028 && c <= 0x202E || c >= 0x2066 && c <= 0x2069)) {
                shown.append(String.format(Locale.ROOT, "\\u%04x", c));
            } else {
                shown.appendCodePoint(c);
            }
        });
        return shown.toString();
    }

    /** Remembers why it could not be written, which a PrintStream forgets. */
    private static final class Watched extends FilterOutputStream {
        private IOException failure;

        Watched(OutputStream out) {
            super(out);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws IOException {
            try {
                out.write(bytes, from, count);
                if (out instanceof PrintStream stream && stream.checkError()) {
                    throw new IOException("its stream reports an error");
                }
            } catch (IOException e) {
                failure = failure == null ? e : failure;
                throw e;
            }
        }
    }

    /** The size of a terminal's window, by ioctl(2): Java knows of one only where stdin and stdout are terminals too. */
    private static final class Window {
        private static final long TIOCGWINSZ = 0x5413; // Linux; struct winsize: rows, columns and two more, 16 bits each
        private static final int USUAL = 80;

        private static final MethodHandle IOCTL = Linker.nativeLinker().downcallHandle(
                Linker.nativeLinker().defaultLookup().findOrThrow("ioctl"), FunctionDescriptor.of(ValueLayout.JAVA_INT,
                        ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS),
                Linker.Option.firstVariadicArg(2));

        private Window() { }

        /** Columns of the terminal that a file descriptor is, 80 where it does not say; 0 for a file or a pipe. */
        static int columns(int descriptor) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment size = arena.allocate(ValueLayout.JAVA_SHORT, 4);
                if ((int) IOCTL.invokeExact(descriptor, TIOCGWINSZ, size) != 0) {
                    return 0;
                }
                int columns = Short.toUnsignedInt(size.getAtIndex(ValueLayout.JAVA_SHORT, 1));
                return columns == 0 ? USUAL : columns;
            } catch (Throwable e) {
                throw new IllegalStateException("ioctl", e);
            }
        }
    }
}
