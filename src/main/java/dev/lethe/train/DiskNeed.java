/* What a training will write, held against the disk before its first step. */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.Sizes;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.LedgerEstimate;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Example;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Bytes on disk at their most.
 *
 * @param ledger      with the options that would shrink it, null without capture
 * @param checkpoints an old and a new one, and those that are kept
 * @param model       the safetensors file
 */
record DiskNeed(LedgerEstimate ledger, long checkpoints, long model) {

    /** @param plan null where nothing is trained, only captured */
    static DiskNeed of(LanguageModel model, List<Example> examples, TrainConfig config, RunInfo.Plan plan) {
        return new DiskNeed(ledger(model, examples, config), plan == null ? 0 : (2 + plan.kept().size()) * TrainCheckpoint.bytes(model),
                Dtype.F32.bytes() * model.flatSize());
    }

    private static LedgerEstimate ledger(LanguageModel model, List<Example> examples, TrainConfig config) {
        if (config.capture() == TrainConfig.CapturePolicy.NONE) {
            return null;
        }
        long steps = config.steps(examples.size());
        List<Example> seen = examples.subList(0, (int) Math.min(examples.size(), steps * config.batchSize()));
        int epochs = (int) Math.ceilDiv(steps, Math.ceilDiv((long) examples.size(), config.batchSize()));
        return LedgerEstimate.of(model, LedgerCapture.format(model, config),
                seen.stream().mapToInt(example -> example.tokens().length).toArray(),
                seen.stream().mapToInt(Example::targetCount).toArray(),
                config.capture() == TrainConfig.CapturePolicy.ALL ? epochs : 1);
    }

    long ledgerBytes() {
        return ledger == null ? 0 : ledger.bytes();
    }

    long total() {
        return ledgerBytes() + checkpoints + model;
    }

    void require(Path folder) {
        require(folder, free(folder));
    }

    void require(Path folder, long freeBytes) {
        if (total() > freeBytes) {
            throw new BadInputException(folder + ": training needs about " + Sizes.of(total()) + " of disk (ledger "
                    + Sizes.of(ledgerBytes()) + ", checkpoints " + Sizes.of(checkpoints)
                    + ", model " + Sizes.of(model) + ") but only "
                    + Sizes.of(freeBytes) + " are free; free space, name a folder on a larger disk" + advice());
        }
    }

    private String advice() {
        StringBuilder advice = new StringBuilder();
        if (ledger != null) {
            for (LedgerEstimate.Alternative other : ledger.smaller()) {
                advice.append(", or use ").append(other.option())
                        .append(" (ledger ").append(Sizes.of(other.bytes())).append(")");
            }
            advice.append(", or capture none");
        }
        return advice.toString();
    }

    private static long free(Path folder) {
        Path existing = Stream.iterate(folder.toAbsolutePath(), Objects::nonNull, Path::getParent).filter(Files::isDirectory).findFirst()
                .orElse(null);
        return Io.input(folder + ": the free space of its disk cannot be read", () ->
                existing == null ? Long.MAX_VALUE : Files.getFileStore(existing).getUsableSpace());
    }
}
