/*
 * A lock on a file, across processes and within one; the kernel drops that of a killed process. What this process holds is
 * remembered here, because closing any channel of a file gives up the locks that the process has on it (POSIX): a file that is
 * held here is not opened a second time.
 */
package dev.lethe.base;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.Map;

/** A held lock. Any thread. */
public final class LockFile implements AutoCloseable {
    private static final Map<Object, String> HELD = new HashMap<>(); // by the file itself, whatever its name; guarded by this

    private final Object identity;
    private final FileChannel channel;
    private final boolean told;

    private LockFile(Object identity, FileChannel channel, boolean told) {
        this.identity = identity;
        this.channel = channel;
        this.told = told;
    }

    /**
     * Takes it at once or not at all.
     *
     * @param holder what the file says while it is held, may be empty
     * @return null when somebody holds it
     */
    public static LockFile take(Path file, String holder) throws IOException {
        synchronized (HELD) {
            if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
                PrivateFiles.lockFile(file).close();
            }
            Object identity = identity(file);
            if (HELD.containsKey(identity)) {
                return null;
            }
            FileChannel channel = PrivateFiles.lockFile(file);
            try {
                if (channel.tryLock() == null) {
                    channel.close();
                    return null;
                }
                LockFile lock = new LockFile(identity, channel, !holder.isEmpty());
                if (lock.told) {
                    channel.truncate(0);
                    channel.write(ByteBuffer.wrap(holder.getBytes(StandardCharsets.UTF_8)));
                }
                HELD.put(identity, holder);
                return lock;
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        }
    }

    /** What the holder of a lock file wrote there; empty when it wrote nothing. */
    public static String holder(Path file) throws IOException {
        synchronized (HELD) {
            String here = HELD.get(identity(file));
            return here != null ? here : Files.readString(file);
        }
    }

    private static Object identity(Path file) throws IOException {
        Object key = Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS).fileKey();
        return key != null ? key : file.toRealPath();
    }

    /** Gives it up; again does nothing. @throws UncheckedIOException when the disk refuses; it is given up all the same */
    @Override
    public void close() {
        synchronized (HELD) {
            if (!channel.isOpen()) {
                return;
            }
            try (channel) {
                if (told) {
                    channel.truncate(0);
                }
            } catch (IOException e) {
                throw new UncheckedIOException("closing a lock: " + Reason.of(e), e);
            } finally {
                HELD.remove(identity);
            }
        }
    }
}
