/*
 * Where a new run grows until it takes its place: OUT.erasing beside OUT, marked and locked by a file that no run has. So two
 * requests to one OUT do not mix, what a killed erasure left is known for Lethe's own, and nobody else's folder is removed.
 */
package dev.lethe.erase;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.run.Lineage;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo.Kin;
import dev.lethe.run.RunLock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

final class GrowingFolder implements AutoCloseable {
    private static final String MARK = "erasing.lock";

    private final Path path;
    private final Path out; // null for a trial
    private final RunLock lock;

    private GrowingFolder(Path path, Path out, RunLock lock) {
        this.path = path;
        this.out = out;
        this.lock = lock;
    }

    /** Its name for a run that is to be OUT. */
    static Path of(Path out) {
        Path place = Lineage.real(out);
        return place.resolveSibling(place.getFileName() + ".erasing");
    }

    /**
     * Makes it, or empties one that a killed erasure left there.
     *
     * @throws BadInputException when another erasure is at work in it, or it is somebody else's
     */
    static GrowingFolder take(Path out) {
        Path path = of(out);
        return Io.disk(path + ": cannot be made", () -> {
            PrivateFiles.makeFolder(path.getParent());
            return new GrowingFolder(path, out, lock(path));
        });
    }

    /** Its name for what is never to be a run, tried on this one. */
    static Path trialOf(Path run) {
        Path place = Lineage.real(run);
        return place.resolveSibling(place.getFileName() + ".trial");
    }

    /** One for what is never to be a run; what a killed trial of the same run left there goes. */
    static GrowingFolder trial(RunFolder source) {
        Path path = trialOf(source.root());
        return Io.disk(path + ": a trial's folder cannot be made", () -> new GrowingFolder(path, null, lock(path)));
    }

    /** Removes what erasures that were killed on these runs left, whatever their OUT: it has entries of everyone. */
    static void clear(Lineage lineage) {
        for (RunFolder run : lineage.runs()) {
            if (isOurs(trialOf(run.root()))) {
                trial(run).close();
            }
            for (Kin kin : run.info().kin()) {
                Path out = Path.of(kin.run());
                if (kin.state() == Kin.State.INTENDED && isOurs(of(out))) {
                    take(out).close();
                }
            }
        }
    }

    private static boolean isOurs(Path path) {
        return Files.isRegularFile(path.resolve(MARK), LinkOption.NOFOLLOW_LINKS);
    }

    private static RunLock lock(Path path) throws IOException {
        try {
            PrivateFiles.newFolder(path);
            return RunLock.take(path.resolve(MARK));
        } catch (FileAlreadyExistsException e) {
            if (!isOurs(path)) {
                throw new BadInputException(path + ": is in the way, and no erasure made it (there is no " + MARK
                        + " in it); move it, or choose another folder");
            }
            RunLock lock = RunLock.take(path.resolve(MARK));
            try {
                empty(path);
                return lock;
            } catch (IOException | RuntimeException failure) {
                lock.close();
                throw failure;
            }
        }
    }

    /** Removes all but the lock. */
    private static void empty(Path path) throws IOException {
        for (Path left : Io.list(path)) {
            if (!left.endsWith(MARK)) {
                PrivateFiles.deleteTree(left);
            }
        }
    }

    Path path() {
        return path;
    }

    Path resolve(String name) {
        return path.resolve(name);
    }

    /** Gives what has grown its name, at once. */
    void takePlace() {
        Io.disk(out + ": the new run cannot take its place", () -> {
            freeName();
            Files.move(path, out, StandardCopyOption.ATOMIC_MOVE);
            PrivateFiles.syncFolder(out.getParent());
        });
    }

    /** Whoever has begun to write in OUT since {@link #take} keeps it, and this erasure ends. */
    private void freeName() throws IOException {
        if (!Files.isDirectory(out)) {
            return;
        }
        RunFolder.requireFree(out);
        Path theirs = out.resolve(RunFolder.LOCK);
        try (var _ = RunLock.take(theirs)) {
            RunFolder.requireFree(out); // still, and nobody is at work there
            Files.delete(theirs);
        }
        Files.delete(out); // empty, or it throws
    }

    /** Removes what has not taken its place, and the mark of what has. */
    @Override
    public void close() {
        try {
            if (Files.isDirectory(path)) {
                empty(path); // the lock goes last: with it whoever waits for the folder may have it
                PrivateFiles.deleteTree(path);
            } else if (out != null) {
                Files.deleteIfExists(out.resolve(MARK));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(path + ": cannot be removed: " + Reason.of(e), e);
        } finally {
            lock.close();
        }
    }

    @Override
    public String toString() {
        return path.toString();
    }
}
