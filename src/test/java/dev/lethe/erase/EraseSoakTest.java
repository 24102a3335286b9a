package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.PrivateFiles;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.eval.Evaluator;
import dev.lethe.find.Query;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.TrainListener;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.shape.Dtype;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** An erasure service that never restarts: erase and evaluate over and over, and nothing piles up. */
@ExtendWith(NoLeaks.class)
class EraseSoakTest {
    /** The default suite's cycles leave the JVM's own warm-up out; a leaked model or ledger map would be far above it. */
    private static final long GROWTH_BYTES = 64L << 20;

    @TempDir
    Path folder;

    @Test
    void fiftyErasures() throws IOException {
        cycles(50, 20);
    }

    @Test
    @Tag("extended")
    void aThousandErasures() throws IOException {
        cycles(1000, 100);
    }

    private void cycles(int count, int warmUp) throws IOException {
        TinyData tiny = new TinyData(folder, 12);
        EraseConfig config = EraserTest.CONFIG.toBuilder().keepEntries(true).reference(new Reference.Loss(2))
                .polish(2).relearnSteps(2).build();
        long settled = 0;
        try (Engine engine = Engine.cpu()) {
            Path source = folder.resolve("source");
            Trainer.train(engine, tiny.source, tiny.data, source,
                    TinyData.config().epochs(40).holdoutFraction(0.2).build(), TrainListener.silent());
            for (int cycle = 0; cycle < count; cycle++) {
                if (cycle == warmUp) {
                    settled = residentBytes();
                }
                cycle(engine, source, config);
                assertEquals(0, Engine.liveHandles());
            }
        }
        long growth = residentBytes() - settled;
        assertTrue(growth < GROWTH_BYTES, "resident memory grew by " + growth + " bytes over " + (count - warmUp) + " cycles");
    }

    private void cycle(Engine engine, Path source, EraseConfig config) throws IOException {
        Path out = folder.resolve("out");
        try (OpenRun run = OpenRun.open(engine, source)) {
            run.erase(run.find(Query.subject(run.records().getFirst().subject())), config, out, EraseListener.NONE);
            try (LanguageModel model = Checkpoint.load(engine, out.resolve("model"), Dtype.F32)) {
                new Evaluator().evaluate(model, RunExamples.of(run.folder(), null).learned());
            }
        }
        PrivateFiles.deleteTree(out);
    }

    private static long residentBytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) << 10;
            }
        }
        throw new IOException("/proc/self/status has no VmRSS");
    }
}
