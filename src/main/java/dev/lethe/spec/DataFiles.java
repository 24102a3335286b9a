package dev.lethe.spec;

import dev.lethe.base.BadInputException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Where a spec's relative paths are looked for: in the data folder given on the command line, then beside the spec.
 *
 * @param dataDir null when none was given
 * @param beside  folder of the spec
 */
public record DataFiles(Path dataDir, Path beside) {
    public static DataFiles of(Path spec, Path dataDir) {
        return new DataFiles(dataDir, spec.toAbsolutePath().getParent());
    }

    /** Null when it is in neither place. */
    Path find(String path) {
        if (dataDir != null && Files.exists(dataDir.resolve(path))) {
            return dataDir.resolve(path);
        }
        return Files.exists(beside.resolve(path)) ? beside.resolve(path) : null;
    }

    public Path require(String path) {
        Path found = find(path);
        if (found == null) {
            throw new BadInputException(missing(path));
        }
        return found;
    }

    String missing(String path) {
        return "there is no " + path + (dataDir == null ? "" : " in " + dataDir + " and none") + " in " + beside
                + (dataDir == null ? "; name the folder of the data" : "");
    }
}
