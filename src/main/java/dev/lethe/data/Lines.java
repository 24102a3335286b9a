package dev.lethe.data;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Problems;
import dev.lethe.base.Reason;
import dev.lethe.engine.Work;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * The lines of a UTF-8 file, gzipped when its name ends in .gz, each decoded strictly, so that a bad byte is reported
 * with its line. Lines end with LF, CRLF or CR; a byte order mark at the start is skipped. Knows nothing of records.
 */
final class Lines {
    /** No record is this long; a file without line ends should fail with words, not with memory. */
    private static final int LONGEST_LINE_BYTES = 64 << 20;

    private static final int BUFFER_BYTES = 1 << 16;

    /** Receives one line without its end. Numbers start at 1. */
    interface Visitor {
        void line(int number, String text);
    }

    private Lines() {
    }

    /**
     * Reads every line; what does not decode goes to {@code problems} and reading continues behind it. An interrupt ends it
     * with {@link dev.lethe.base.InterruptedWorkException} between two lines; the visitor is called on a thread of Lethe's.
     */
    static void read(Path file, Problems problems, Visitor visitor) {
        Work.run("read", () -> readHere(file, problems, visitor));
    }

    private static void readHere(Path file, Problems problems, Visitor visitor) {
        if (Files.isDirectory(file)) {
            throw new BadInputException(file + ": is a folder; give a .jsonl or .txt file");
        }
        try (InputStream raw = new BufferedInputStream(Files.newInputStream(file), BUFFER_BYTES);
                InputStream in = open(file, raw)) {
            scan(file, in, problems, visitor);
        } catch (NoSuchFileException e) {
            throw new BadInputException(file + ": no such file", e);
        } catch (ZipException | EOFException e) {
            throw new BadInputException(file + ": not a whole gzip file (" + Reason.of(e, file) + "); check it with gzip -t", e);
        } catch (IOException e) {
            throw new BadInputException(file + ": cannot be read: " + Reason.of(e, file), e);
        }
    }

    private static InputStream open(Path file, InputStream raw) throws IOException {
        return file.toString().toLowerCase(Locale.ROOT).endsWith(".gz")
                ? new BufferedInputStream(new GZIPInputStream(raw, BUFFER_BYTES), BUFFER_BYTES) : raw;
    }

    private static void scan(Path file, InputStream in, Problems problems, Visitor visitor) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int number = 1;
        int before = 0;
        for (int b = in.read(); b >= 0; before = b, b = in.read()) {
            if (b == '\n' && before == '\r') {
                continue; // that line has ended
            }
            if (b == '\n' || b == '\r') {
                deliver(file, number++, line.toByteArray(), problems, visitor);
                line.reset();
            } else {
                if (line.size() == LONGEST_LINE_BYTES) {
                    throw new BadInputException(file + ":" + number + ": line longer than "
                            + (LONGEST_LINE_BYTES >> 20) + " MiB; a record is one line");
                }
                line.write(b);
            }
        }
        if (line.size() > 0) {
            deliver(file, number, line.toByteArray(), problems, visitor);
        }
    }

    private static void deliver(Path file, int number, byte[] bytes, Problems problems, Visitor visitor) {
        Work.check(file + ": reading was interrupted at line " + number);
        int start = number == 1 && bytes.length >= 3
                && bytes[0] == (byte) 0xEF && bytes[1] == (byte) 0xBB && bytes[2] == (byte) 0xBF ? 3 : 0;
        ByteBuffer in = ByteBuffer.wrap(bytes, start, bytes.length - start);
        try {
            String text = StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT).decode(in).toString();
            visitor.line(number, text);
        } catch (CharacterCodingException e) {
            problems.add(file + ":" + number + ": invalid UTF-8 at byte " + (in.position() + 1)
                    + " of the line; convert the file to UTF-8");
        }
    }
}
