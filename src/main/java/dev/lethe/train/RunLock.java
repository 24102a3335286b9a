/* One writer a run folder, across processes and within one. The kernel drops the lock of a killed process. */
package dev.lethe.train;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.PrivateFiles;
import dev.lethe.engine.Reason;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;

/** The right to write into a run. Any thread. */
public final class RunLock implements AutoCloseable {
    private final FileChannel channel;

    private RunLock(FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Takes it, or refuses at once.
     *
     * @throws BadInputException when another training or erasure has it, or the folder cannot be written
     */
    public static RunLock take(Path file) {
        FileChannel channel = null;
        boolean locked = false;
        try {
            channel = PrivateFiles.lockFile(file);
            locked = channel.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            locked = false;
        } catch (IOException e) {
            throw new BadInputException(file + ": cannot be locked: " + Reason.of(e, file), e);
        } finally {
            if (!locked) {
                close(channel);
            }
        }
        if (!locked) {
            throw new BadInputException(file.getParent() + ": another training or erasure is at work in it; wait for it to end, or"
                    + " name another folder");
        }
        return new RunLock(channel);
    }

    @Override
    public void close() {
        close(channel);
    }

    private static void close(FileChannel channel) {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException("closing a lock: " + Reason.of(e), e);
        }
    }
}
