package dev.lethe.cli;

import dev.lethe.BadInputException;
import dev.lethe.base.Sizes;
import dev.lethe.console.Common;
import dev.lethe.ledger.Compaction;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.run.RunFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** lethe compact: gives the room of destroyed ledger entries back to the disk. */
@Command(name = "compact", description = {"Gives the room that erased records left in a ledger back to the disk.",
    "All other entries keep their bytes. Safe to interrupt."})
final class CompactCommand implements Callable<Integer> {
    @Parameters(paramLabel = "PATH", description = "A run or a ledger folder.")
    private Path path;

    @Mixin
    private Common common;

    /** What --json gives. */
    record Result(String path, int entries, int destroyed, long bytesBefore, long bytesAfter, int segmentsRewritten) {}

    @Override
    public Integer call() {
        Path ledger = RunFolder.isRun(path) ? RunFolder.open(path).ledger() : path;
        if (!Files.isRegularFile(ledger.resolve("manifest.json"))) {
            throw new BadInputException(path + ": neither a run with a ledger nor a ledger (no manifest.json)");
        }
        Compaction done = LedgerWriter.compact(ledger);
        Result result = new Result(path.toString(), done.entries(), done.destroyed(), done.bytesBefore(), done.bytesAfter(),
                done.rewritten());
        common.result(result, terminal -> terminal.print("%s: %s before, %s now; %,d entries, %,d of them destroyed",
                result.path, Sizes.of(result.bytesBefore), Sizes.of(result.bytesAfter), result.entries, result.destroyed));
        return 0;
    }
}
