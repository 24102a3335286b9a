package dev.lethe.ledger;

import dev.lethe.BadInputException;
import dev.lethe.base.LockFile;
import dev.lethe.base.Reason;
import java.io.IOException;

/**
 * The right to write one ledger, held by locking {@code writer.lock} for as long as it is open; the file says who holds
 * it and is left behind empty.
 */
final class WriterLock implements AutoCloseable {
    private final LockFile lock;

    private WriterLock(LockFile lock) {
        this.lock = lock;
    }

    /** @throws BadInputException naming the holder, or saying why the folder cannot be written */
    static WriterLock acquire(LedgerFolder folder, String purpose) {
        try {
            LockFile lock = LockFile.take(folder.lock(), "process " + ProcessHandle.current().pid() + " (" + purpose + ")");
            if (lock == null)
                throw new BadInputException("ledger " + folder.path() + " is being written by " + holder(folder)
                        + "; a ledger has one writer at a time. Wait for it, or stop it");
            return new WriterLock(lock);
        } catch (IOException e) {
            throw new BadInputException("cannot write the ledger " + folder.path() + ": " + Reason.of(e, folder.path()));
        }
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
        } catch (IOException e) {
            System.getLogger("dev.lethe.ledger").log(System.Logger.Level.WARNING, "cannot close the writer lock", e);
        }
    }
}
