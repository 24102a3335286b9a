package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.BadInputException;
import dev.lethe.ledger.LedgerEstimate;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class DiskNeedTest {

    @Test
    void refusesADiskThatIsTooSmallAndSaysWhatHelps() {
        LedgerEstimate ledger = new LedgerEstimate(3L << 30,
                List.of(new LedgerEstimate.Alternative("head_top_k=256", 100L << 20)));
        DiskNeed need = new DiskNeed(ledger, 1L << 30, 512L << 20);
        assertDoesNotThrow(() -> need.require(Path.of("run"), need.total()));
        assertEquals("run: training needs about 4.5 GiB of disk (ledger 3.0 GiB, checkpoints 1.0 GiB, model 512.0 MiB) but "
                + "only 900 bytes are free; free space, name a folder on a larger disk, or use head_top_k=256 (ledger 100.0 "
                + "MiB), or capture none",
                assertThrows(BadInputException.class, () -> need.require(Path.of("run"), 900)).getMessage());
    }

    @Test
    void withoutCaptureThereIsNothingToShrink() {
        DiskNeed need = new DiskNeed(null, 2048, 1024);
        assertEquals("run: training needs about 3.0 KiB of disk (ledger 0 bytes, checkpoints 2.0 KiB, model 1.0 KiB) but "
                + "only 0 bytes are free; free space, name a folder on a larger disk",
                assertThrows(BadInputException.class, () -> need.require(Path.of("run"), 0)).getMessage());
    }
}
