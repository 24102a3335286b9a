package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.LockFile;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Shred;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** The names of a ledger's files, and writing one of them whole or not at all. Knows nothing of what they hold. */
record LedgerFolder(Path path) {
    /** In any digits: earlier versions wrote the number in those of the user's language. */
    private static final Pattern SEGMENT = Pattern.compile("segment-(\\p{Nd}{6,9})\\.ledger");

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
        return String.format(Locale.ROOT, "segment-%06d.ledger", number);
    }

    /** Where a segment is, or is to be. */
    Path segment(int number) {
        Path file = path.resolve(segmentName(number));
        return Files.exists(file) ? file : present().getOrDefault(number, file);
    }

    /** Numbers of the segments present, ascending. */
    List<Integer> segments() {
        return List.copyOf(present().keySet());
    }

    private TreeMap<Integer, Path> present() {
        TreeMap<Integer, Path> found = new TreeMap<>();
        if (!Files.isDirectory(path)) return found;
        for (Path file : Io.input("cannot list the ledger " + path, () -> Io.list(path))) {
            Matcher name = SEGMENT.matcher(file.getFileName().toString());
            if (name.matches()) found.putIfAbsent(Integer.parseInt(name.group(1)), file);
        }
        return found;
    }

    /** Bytes of all segments on disk. */
    long bytes() {
        long sum = 0;
        for (int number : segments()) sum += segment(number).toFile().length();
        return sum;
    }

    /** Removes what a killed process was writing beside its place: it may hold gradients. Needs the writer lock. */
    void deleteLeftovers() {
        Io.input("cannot delete what a killed writer left in " + path, () -> PrivateFiles.deleteLeftovers(path));
    }

    /** Makes `file` hold `bytes`, durably, or leaves what was there. */
    void write(Path file, byte[] bytes) {
        Io.input("cannot write " + file, () -> PrivateFiles.write(file, bytes));
    }

    /**
     * Puts a copy of a file's start in its place: a ledger that has the old one linked keeps it whole; else it is overwritten,
     * and not shortened under those who have it mapped.
     */
    void cut(Path file, long bytes) {
        Io.input("cannot shorten " + file, () -> {
            Path part = PrivateFiles.part(file);
            try {
                try (FileChannel from = FileChannel.open(file, StandardOpenOption.READ);
                        FileChannel to = PrivateFiles.open(part)) {
                    copy(from, 0, bytes, to);
                    to.force(true);
                }
                PrivateFiles.replace(part, file);
            } finally {
                Shred.file(part);
            }
        });
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
        Io.input("cannot delete " + file, () -> {
            if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) return;
            Shred.file(file);
            sync();
        });
    }

    /** Makes creations, renames and deletions in the folder durable. */
    void sync() {
        PrivateFiles.syncFolder(path);
    }

    /** Reads `to` whole from a position, or as much as there is; returns the bytes read. */
    static int read(FileChannel channel, ByteBuffer to, long position) {
        return Io.input("cannot read the ledger", () -> {
            int start = to.position();
            while (to.hasRemaining()) {
                int got = channel.read(to, position + to.position() - start);
                if (got < 0) break;
            }
            return to.position() - start;
        });
    }

    /** Flight-recorder event of one piece of ledger input or output: open, commit, sync, check, destroy, copy. */
    @Name("dev.lethe.LedgerIO")
    @Label("Ledger I/O")
    @Category({"Lethe", "Ledger"})
    @StackTrace(false)
    static final class LedgerIoEvent extends Event {
        @Label("Operation")
        String operation;

        @Label("Entries")
        long entries;

        @Label("Bytes")
        @DataAmount
        long bytes;

        static LedgerIoEvent start(String operation) {
            LedgerIoEvent event = new LedgerIoEvent();
            event.operation = operation;
            event.begin();
            return event;
        }

        void finish(long entries, long bytes) {
            this.entries = entries;
            this.bytes = bytes;
            commit();
        }
    }

    /**
     * The right to write one ledger, held by locking {@code writer.lock} for as long as it is open; the file says who holds
     * it and is left behind empty.
     */
    static final class WriterLock implements AutoCloseable {
        private final LockFile lock;

        private WriterLock(LockFile lock) {
            this.lock = lock;
        }

        /** @throws BadInputException naming the holder, or saying why the folder cannot be written */
        static WriterLock acquire(LedgerFolder folder, String purpose) {
            return Io.input("cannot write the ledger " + folder.path(), () -> {
                LockFile lock = LockFile.take(folder.lock(), "process " + ProcessHandle.current().pid() + " (" + purpose + ")");
                if (lock == null)
                    throw new BadInputException("ledger " + folder.path() + " is being written by " + holder(folder)
                            + "; a ledger has one writer at a time. Wait for it, or stop it");
                return new WriterLock(lock);
            });
        }

        private static String holder(LedgerFolder folder) {
            try {
                String text = LockFile.holder(folder.lock());
                return text.isBlank() ? "another process" : text;
            } catch (IOException e) {
                return "another process";
            }
        }

        @Override
        public void close() {
            try {
                lock.close();
            } catch (UncheckedIOException e) {
                System.getLogger("dev.lethe.ledger").log(System.Logger.Level.WARNING, "cannot close the writer lock", e);
            }
        }
    }
}
