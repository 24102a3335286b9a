package dev.lethe.sweep;

import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunJson;
import dev.lethe.settings.Epochs;
import dev.lethe.settings.EraseConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.sweep.Measurement.Numbers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;

/** What a cell cost: steps, their share of retraining's, seconds of a training, bytes of the ledger that an erasure reads. */
final class Costs {
    private Costs() { }

    /** A step is one gradient of one batch, that moved the weights or that what moves them was made of. */
    static void put(Numbers numbers, int ascents, int repairs, long trainSteps) {
        numbers.put("cost.ascents", ascents);
        numbers.put("cost.repairs", repairs);
        numbers.put("cost.steps", ascents + repairs);
        numbers.put("cost.share", (double) (ascents + repairs) / trainSteps);
    }

    static double trainingSeconds(RunFolder run) {
        return RunJson.lines(run.timings(), JsonNode.class).stream().mapToDouble(line -> line.path("seconds").asDouble(0)).sum();
    }

    /** Bytes that a ledger of only these sites and epochs holds: what the strategy would need, not what the study captured. */
    static void ledger(Numbers numbers, Engine engine, RunFolder source, EraseConfig config) {
        if (!config.usesLedger() || !source.hasLedger()) {
            numbers.put("cost.ledger_bytes", 0);
            return;
        }
        try (GradientLedger ledger = GradientLedger.open(source.ledger());
                LanguageModel model = engine.model(source.info().source().shape(), Dtype.F32)) {
            EntryFormat held = ledger.format(model);
            EntryFormat needed = new EntryFormat(model.sites(config.sites()), held.headTopK(), held.dtype(), held.rank());
            Epochs epochs = config.storedEpochs().knowing(ledger.lastEpoch());
            long bytes = 0;
            for (Entry entry : ledger.entries()) {
                bytes += !epochs.takes(entry.header().epoch()) ? 0
                        : model.entries().bytes(needed, entry.header().tokens(), entry.header().targets());
            }
            numbers.put("cost.ledger_bytes", bytes);
        }
    }

    /** The most memory this process held since the last reset, as Linux counts it; NaN where it does not tell. */
    static final class PeakMemory {
        private PeakMemory() { }

        static void reset() {
            try {
                Files.writeString(Path.of("/proc/self/clear_refs"), "5");
            } catch (IOException | SecurityException e) {
                // then the peak is that of the whole process
            }
        }

        static double bytes() {
            try (var lines = Files.lines(Path.of("/proc/self/status"))) {
                return lines.filter(line -> line.startsWith("VmHWM:"))
                        .mapToDouble(line -> 1024 * Double.parseDouble(line.replaceAll("[^0-9]", ""))).findFirst().orElse(Double.NaN);
            } catch (IOException e) {
                return Double.NaN;
            }
        }
    }
}
