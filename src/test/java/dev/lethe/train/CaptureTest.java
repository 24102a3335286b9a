package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Collectors;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a training puts into the ledger. */
@ExtendWith(NoLeaks.class)
class CaptureTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({"all, 0, F32", "embedding, 0, F32", "embedding, 4, BF16", "h.*.mlp.*, 0, F32"})
    void everyRecordOnceInTheFirstEpoch(String sites, int headTopK, Dtype dtype) {
        TinyData tiny = new TinyData(folder, 4);
        TrainConfig config = TinyData.config().epochs(2).capture(CapturePolicy.FIRST).sites(sites).headTopK(headTopK).ledgerDtype(dtype).build();
        RunFolder run = train(tiny, config);
        try (GradientLedger ledger = GradientLedger.open(run.ledger())) {
            assertEquals(tiny.data.size(), ledger.entries().size());
            for (TextRecord record : tiny.data) {
                Entry entry = ledger.entries(0).stream().filter(one -> one.header().key().equals(Entry.RecordKey.of(record.id())))
                        .findFirst().orElseThrow();
                long step = entry.header().step();
                assertTrue(step >= 1 && step <= 3, "step " + step);
                assertEquals(config.learningRate() * config.schedule().factor(step - 1, 0, 6), entry.header().learningRate());
                assertEquals(entry.length(), ledger.payload(entry).byteSize());
            }
            Map<Long, Double> weights = ledger.entries().stream().collect(Collectors.groupingBy(
                    entry -> entry.header().step(), Collectors.summingDouble(entry -> entry.header().weight())));
            assertEquals(3, weights.size());
            weights.forEach((step, sum) -> assertEquals(1, sum, 1e-12, "weights of step " + step));
            assertEquals(run.info().source().modelHash(), ledger.manifest().modelHash());
            assertEquals(run.info().result().ledger().sites(), ledger.manifest().sites());
        }
    }

    @ParameterizedTest
    @CsvSource({"3, 0, 2", "3, 7, 1", "3, 2, 0", "1, 0, 0"}) // three steps an epoch
    void theLastWholeEpochByDefault(int epochs, long maxSteps, int captured) {
        TinyData tiny = new TinyData(folder, 4);
        RunFolder run = train(tiny, TinyData.config().epochs(epochs).maxSteps(maxSteps).build());
        try (GradientLedger ledger = GradientLedger.open(run.ledger())) {
            assertEquals(captured, ledger.lastEpoch());
            assertEquals(ledger.entries(captured), ledger.entries());
            assertEquals(maxSteps == 2 ? 2 * run.info().config().batchSize() : tiny.data.size(), ledger.entries().size());
        }
    }

    @Test
    void everyEpochWhenAsked() {
        TinyData tiny = new TinyData(folder, 4);
        RunFolder run = train(tiny, TinyData.config().epochs(3).capture(CapturePolicy.ALL).build());
        try (GradientLedger ledger = GradientLedger.open(run.ledger())) {
            for (int epoch = 0; epoch < 3; epoch++) {
                assertEquals(tiny.data.size(), ledger.entries(epoch).size());
            }
            assertEquals(3 * tiny.data.size(), run.info().result().ledger().entries());
        }
    }

    @Test
    void stepsAndCapturesAreFlightRecorded() throws IOException {
        TinyData tiny = new TinyData(folder, 4);
        Path file = folder.resolve("training.jfr");
        try (Recording recording = new Recording()) {
            recording.enable("dev.lethe.TrainStep").withoutThreshold();
            recording.enable("dev.lethe.Capture").withoutThreshold();
            recording.start();
            train(tiny, TinyData.config().epochs(2).build());
            recording.stop();
            recording.dump(file);
        }
        Map<String, Long> events = RecordingFile.readAllEvents(file).stream()
                .collect(Collectors.groupingBy(event -> event.getEventType().getName(), Collectors.counting()));
        assertEquals(6, events.get("dev.lethe.TrainStep"));
        assertEquals(3, events.get("dev.lethe.Capture"));
    }

    private RunFolder train(TinyData tiny, TrainConfig config) {
        try (Engine engine = Engine.cpu()) {
            return Trainer.train(engine, tiny.source, tiny.data, folder.resolve("run"), config, TrainListener.silent());
        }
    }
}
