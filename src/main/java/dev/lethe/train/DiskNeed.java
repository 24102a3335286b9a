/* What a training will write, held against the disk before its first step. */
package dev.lethe.train;

import dev.lethe.engine.BadInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Bytes: the ledger, the checkpoints at their most (an old and a new one), the model. */
record DiskNeed(long ledger, long checkpoints, long model) {

    long total() {
        return ledger + checkpoints + model;
    }

    void require(Path folder) {
        require(folder, free(folder));
    }

    void require(Path folder, long freeBytes) {
        if (total() > freeBytes) {
            throw new BadInputException(folder + ": training needs about " + size(total()) + " (ledger " + size(ledger)
                    + ", checkpoints " + size(checkpoints) + ", model " + size(model) + ") but only " + size(freeBytes)
                    + " are free; capture less (--sites embedding, --head topk:256, --ledger-dtype bf16, --capture none)"
                    + " or write to a larger disk");
        }
    }

    private static long free(Path folder) {
        Path existing = folder.toAbsolutePath();
        while (existing != null && !Files.isDirectory(existing)) {
            existing = existing.getParent();
        }
        try {
            return existing == null ? Long.MAX_VALUE : Files.getFileStore(existing).getUsableSpace();
        } catch (IOException e) {
            throw new BadInputException(folder + ": the free space of its disk cannot be read: " + e.getMessage(), e);
        }
    }

    private static String size(long bytes) {
        String[] units = {"bytes", "KiB", "MiB", "GiB", "TiB"};
        int unit = 0;
        double value = bytes;
        while (value >= 1024 && unit < units.length - 1) {
            value /= 1024;
            unit++;
        }
        return String.format(Locale.ROOT, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    }
}
