package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Sizes;
import dev.lethe.console.LetheCommand;
import dev.lethe.ledger.Compaction;
import dev.lethe.ledger.LedgerKeys;
import dev.lethe.run.Lineage;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunLock;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe compact: gives the room of destroyed ledger entries back to the disk. */
@Command(name = "compact", description = {"Gives the room that erased records left in a ledger back to the disk.",
    "All other entries keep their bytes. Safe to interrupt."})
final class CompactCommand extends LetheCommand {
    @Parameters(paramLabel = "PATH", description = "A run or a ledger folder.")
    private Path path;

    @Option(names = "--encrypt", paramLabel = "KEYS", description = "Move a ledger in the clear under keys: each record's in this"
            + " folder outside the run, which is made if need be. Of one under these keys already, note where they lie now.")
    private Path keys;

    /** What --json gives. */
    record Result(String path, int entries, int destroyed, long bytesBefore, long bytesAfter, int segmentsRewritten) {}

    @Override
    protected void work() {
        RunFolder run = run();
        Path ledger = run == null ? path : run.ledger();
        if (!Files.isRegularFile(ledger.resolve("manifest.json"))) {
            throw new BadInputException(path + ": neither a run with a ledger nor a ledger (no manifest.json)");
        }
        Compaction done = keys == null ? Compaction.compact(ledger) : encrypt(run, ledger);
        Result result = new Result(path.toString(), done.entries(), done.destroyed(), done.bytesBefore(), done.bytesAfter(),
                done.rewritten());
        result(result, terminal -> terminal.print("%s: %s before, %s now; %,d entries, %,d of them destroyed",
                result.path, Sizes.of(result.bytesBefore), Sizes.of(result.bytesAfter), result.entries, result.destroyed));
    }

    /** The run that the path is, or whose ledger it is; null of a ledger by itself. */
    private RunFolder run() {
        if (RunFolder.isRun(path)) return RunFolder.open(path);
        Path real = Lineage.real(path);
        Path above = real.getParent();
        return above != null && RunFolder.isRun(above) && real.endsWith("ledger") ? RunFolder.open(above) : null;
    }

    /** Runs that are trained anew from this one are to lie under the keys too. */
    private Compaction encrypt(RunFolder run, Path ledger) {
        if (run == null) {
            return Compaction.encrypt(ledger, keys);
        }
        LedgerKeys.requireOutside(keys, run.root());
        try (var _ = RunLock.take(run.root().resolve(RunFolder.LOCK))) {
            Compaction done = Compaction.encrypt(ledger, keys);
            RunFolder now = RunFolder.open(run.root());
            Path folder = keys.toAbsolutePath().normalize();
            now.save(now.info().withConfig(now.info().config().toBuilder().ledgerKeys(folder).build()));
            return done;
        }
    }
}
