package dev.lethe.ledger;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.PrivateFiles;
import dev.lethe.engine.Reason;
import dev.lethe.engine.Shred;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The names of a ledger's files, and writing one of them whole or not at all. Knows nothing of what they hold. */
record LedgerFolder(Path path) {
    private static final Pattern SEGMENT = Pattern.compile("segment-(\\d{6,9})\\.ledger");

    Path manifest() {
        return path.resolve("manifest.json");
    }

    Path index() {
        return path.resolve("index");
    }

    Path lock() {
        return path.resolve("writer.lock");
    }

    static String segmentName(int number) {
        return String.format("segment-%06d.ledger", number);
    }

    Path segment(int number) {
        return path.resolve(segmentName(number));
    }

    /** Numbers of the segments present, ascending. */
    List<Integer> segments() {
        try (Stream<Path> files = Files.list(path)) {
            List<Integer> numbers = new ArrayList<>();
            files.forEach(file -> {
                Matcher name = SEGMENT.matcher(file.getFileName().toString());
                if (name.matches()) numbers.add(Integer.parseInt(name.group(1)));
            });
            numbers.sort(null);
            return numbers;
        } catch (IOException e) {
            throw new BadInputException("cannot list the ledger " + path + ": " + reason(e));
        }
    }

    /** Bytes of all segments on disk. */
    long bytes() {
        long sum = 0;
        for (int number : segments()) sum += segment(number).toFile().length();
        return sum;
    }

    /** Removes what a killed process was writing beside its place: it may hold gradients. Needs the writer lock. */
    void deleteLeftovers() {
        try {
            PrivateFiles.deleteLeftovers(path);
        } catch (IOException e) {
            throw new BadInputException("cannot delete what a killed writer left in " + path + ": " + reason(e));
        }
    }

    /** Makes `file` hold `bytes`, durably, or leaves what was there. */
    void write(Path file, byte[] bytes) {
        try {
            PrivateFiles.write(file, bytes);
        } catch (IOException e) {
            throw new BadInputException("cannot write " + file + ": " + reason(e));
        }
    }

    /** Puts a copy of a file's start in its place: whoever has the old one linked keeps it whole. */
    void cut(Path file, long bytes) {
        try {
            Path part = PrivateFiles.part(file);
            try (FileChannel from = FileChannel.open(file, StandardOpenOption.READ);
                    FileChannel to = PrivateFiles.open(part)) {
                copy(from, 0, bytes, to);
                to.force(true);
            }
            PrivateFiles.replace(part, file);
        } catch (IOException e) {
            throw new BadInputException("cannot shorten " + file + ": " + reason(e));
        }
    }

    /** Appends a part of one file to another. */
    static void copy(FileChannel from, long start, long bytes, FileChannel to) throws IOException {
        for (long done = 0; done < bytes; ) {
            long moved = from.transferTo(start + done, bytes - done, to);
            if (moved <= 0) throw new EOFException("the file ends " + (bytes - done) + " bytes early");
            done += moved;
        }
    }

    /** Overwrites and removes a file that no other ledger has; of a shared one only the name goes. */
    void delete(Path file) {
        try {
            if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) return;
            Shred.file(file);
            sync();
        } catch (IOException e) {
            throw new BadInputException("cannot delete " + file + ": " + reason(e));
        }
    }

    /** Makes creations, renames and deletions in the folder durable. */
    void sync() {
        PrivateFiles.syncFolder(path);
    }

    /** Reads `to` whole from a position, or as much as there is; returns the bytes read. */
    static int read(FileChannel channel, ByteBuffer to, long position) {
        try {
            int start = to.position();
            while (to.hasRemaining()) {
                int got = channel.read(to, position + to.position() - start);
                if (got < 0) break;
            }
            return to.position() - start;
        } catch (IOException e) {
            throw new BadInputException("cannot read the ledger: " + reason(e), e);
        }
    }

    /** What went wrong, for a message: most IOExceptions of the JDK name only the file. */
    static String reason(IOException e) {
        String name = e.getClass().getSimpleName().replace("Exception", "");
        return e.getMessage() == null ? name : name + ": " + Reason.of(e);
    }
}
