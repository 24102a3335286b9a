/* One writer a run folder, across processes and within one. The kernel drops the lock of a killed process. */
package dev.lethe.run;

import dev.lethe.base.BadInputException;
import dev.lethe.base.BadInputException.ConflictException;
import dev.lethe.base.Io;
import dev.lethe.base.LockFile;
import dev.lethe.engine.Work;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** The right to write into a run. Any thread. */
public final class RunLock implements AutoCloseable {
    private static final Duration PAUSE = Duration.ofMillis(50);

    private final LockFile lock;

    private RunLock(LockFile lock) {
        this.lock = lock;
    }

    /** As {@link #take(Path)}, having waited so long for another, which may be a shard that writes a part. */
    static RunLock take(Path file, Duration patience) {
        for (long end = System.nanoTime() + patience.toNanos(); ; ) {
            try {
                return take(file);
            } catch (ConflictException e) {
                if (System.nanoTime() > end || Work.interrupted()) {
                    throw e;
                }
                LockSupport.parkNanos(PAUSE.toNanos());
            }
        }
    }

    /**
     * Takes it, or refuses at once.
     *
     * @throws ConflictException when another training or erasure has it
     * @throws BadInputException when the folder cannot be written
     */
    public static RunLock take(Path file) {
        return Io.input(file + ": cannot be locked", () -> {
            LockFile lock = LockFile.take(file, "");
            if (lock == null) {
                throw new ConflictException(file.getParent() + ": another training or erasure is at work in it;"
                        + " wait for it to end, or name another folder");
            }
            return new RunLock(lock);
        });
    }

    @Override
    public void close() {
        lock.close();
    }
}
