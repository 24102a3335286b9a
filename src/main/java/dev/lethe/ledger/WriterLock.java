package dev.lethe.ledger;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.PrivateFiles;
import dev.lethe.engine.Reason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;

/**
 * The right to write one ledger, held by locking {@code writer.lock} for as long as it is open; the file says who holds
 * it and is left behind empty. The lock ends with its process, however that ends. It is a file of its own because
 * closing any channel of a locked file gives the lock up (POSIX).
 */
final class WriterLock implements AutoCloseable {
    private final FileChannel channel;

    private WriterLock(FileChannel channel) {
        this.channel = channel;
    }

    /** @throws BadInputException naming the holder, or saying why the folder cannot be written */
    static WriterLock acquire(LedgerFolder folder, String purpose) {
        FileChannel channel = null;
        try {
            channel = PrivateFiles.lockFile(folder.lock());
            FileLock lock;
            try {
                lock = channel.tryLock();
            } catch (OverlappingFileLockException heldHere) {
                lock = null;
            }
            if (lock == null) {
                channel.close();
                throw new BadInputException("ledger " + folder.path() + " is being written by " + holder(folder)
                        + "; a ledger has one writer at a time. Wait for it, or stop it");
            }
            String text = "process " + ProcessHandle.current().pid() + " (" + purpose + ")";
            channel.truncate(0);
            channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
            return new WriterLock(channel);
        } catch (IOException e) {
            close(channel);
            throw new BadInputException("cannot write the ledger " + folder.path() + ": " + Reason.of(e, folder.path()));
        }
    }

    private static String holder(LedgerFolder folder) {
        try {
            String text = Files.readString(folder.lock());
            return text.isBlank() ? "another process" : text;
        } catch (IOException e) {
            return "another process";
        }
    }

    private static void close(FileChannel channel) {
        try {
            if (channel != null) channel.close();
        } catch (IOException e) {
            System.getLogger("dev.lethe.ledger").log(System.Logger.Level.WARNING, "cannot close the writer lock", e);
        }
    }

    @Override
    public void close() {
        try {
            if (channel.isOpen()) channel.truncate(0);
        } catch (IOException e) {
            System.getLogger("dev.lethe.ledger").log(System.Logger.Level.DEBUG, "cannot empty the writer lock", e);
        }
        close(channel);
    }
}
