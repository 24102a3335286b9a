/*
 * Symbolic links in folders that Lethe is given. A link that leads out of a run would let whoever made it choose what is
 * read or written elsewhere, so it is refused; links that stay inside, and a link to the folder itself, are fine. The one
 * exception is a Hugging Face cache, whose snapshots/X/ consists of links into blobs/ of the same models--org--name.
 */
package dev.lethe.base;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Refuses links that lead out of their folder. Stateless. */
public final class FolderLinks {
    private static final int DEPTH = 3; // runs/a/ledger/rank-0000/index: Lethe's own files lie no deeper

    private FolderLinks() { }

    /** @throws BadInputException naming a link in the folder, or in one of its folders, that leads out of it */
    public static void requireInside(Path folder) {
        Io.input(folder + ": cannot be read", () -> {
            Path real = folder.toRealPath(); // a walk does not begin at a link
            try (Stream<Path> paths = Files.walk(real, DEPTH)) {
                paths.forEach(path -> requireInside(real, path));
            }
        });
    }

    /** @throws BadInputException when {@code path}, which lies in the folder, is a link that leads out of it */
    public static void requireInside(Path folder, Path path) {
        if (!Files.isSymbolicLink(path)) {
            return;
        }
        try {
            if (!path.toRealPath().startsWith(bounds(folder.toRealPath()))) {
                throw refused(folder, path, "leads out of " + folder);
            }
        } catch (IOException e) {
            throw refused(folder, path, "leads nowhere");
        }
    }

    private static Path bounds(Path real) {
        Path snapshots = real.getParent();
        boolean cached = snapshots != null && snapshots.endsWith("snapshots") && snapshots.getParent() != null
                && snapshots.getParent().getFileName().toString().startsWith("models--");
        return cached ? snapshots.getParent() : real;
    }

    private static BadInputException refused(Path folder, Path path, String what) {
        String target;
        try {
            target = " to " + Files.readSymbolicLink(path);
        } catch (IOException e) {
            target = "";
        }
        return new BadInputException(path + ": is a link" + target + " that " + what + "; links out of a folder are not"
                + " followed: put the file itself there if you trust it, or remove the link");
    }
}
