package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.EngineException;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Calls that take a while: they can be cancelled from another thread, and the flight recorder sees them. */
@ExtendWith(NoLeaks.class)
class LongCallTest {
    private static final ModelShape SHAPE = new ModelShape(8192, 128, 128, 4, 4, 512, 1e-5, true);

    @Test
    void cancelEndsTheCallAndNotTheNext() throws InterruptedException {
        Batch batch = batch();
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32)) {
            model.initialize(1);
            float[] before = model.buffer(Buffer.PARAMETERS).readFloats(0, 1 << 16);
            model.cancel();
            double[] losses = model.gradient(batch);
            Thread canceller = Thread.ofPlatform().daemon().start(() -> {
                while (!Thread.interrupted()) {
                    model.cancel();
                    Thread.onSpinWait();
                }
            });
            for (Runnable call : List.<Runnable>of(() -> model.gradient(batch), () -> model.losses(batch),
                    () -> model.generate(List.of(new int[] {1}), Generation.greedy(100)))) {
                EngineException e = assertThrows(EngineException.class, () -> repeat(call));
                assertEquals(EngineException.Status.CANCELLED, e.status(), e.getMessage());
            }
            canceller.interrupt();
            canceller.join();
            assertArrayEquals(before, model.buffer(Buffer.PARAMETERS).readFloats(0, 1 << 16));
            assertArrayEquals(losses, model.gradient(batch), "the next call runs, to the same bits");
        }
    }

    @Test
    void flightRecorderSeesCallsOverAMillisecond(@TempDir Path folder) throws IOException {
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(SHAPE, Dtype.F32);
                Recording recording = new Recording()) {
            recording.enable("dev.lethe.NativeCall");
            EntryFormat format = new EntryFormat(model.sites("all"), 0, Dtype.F32);
            model.entries().bytes(format, 4, 4); // the first call also links, which may take longer
            recording.start();
            model.gradient(batch());
            model.entries().bytes(format, 4, 4);
            recording.stop();
            Path file = folder.resolve("calls.jfr");
            recording.dump(file);
            List<RecordedEvent> events = RecordingFile.readAllEvents(file);
            assertTrue(events.stream().allMatch(event -> event.getDuration().compareTo(Duration.ofMillis(1)) >= 0));
            assertEquals(List.of("gradient"), events.stream().map(event -> event.getString("function")).toList());
        }
    }

    // On a busy machine the canceller may be without a core for the whole of a short call.
    private static void repeat(Runnable call) {
        for (int i = 0; i < 500; i++) {
            call.run();
        }
    }

    private static Batch batch() {
        Random random = new Random(1);
        List<int[]> tokens = List.of(random.ints(128, 0, 8192).toArray(), random.ints(100, 0, 8192).toArray());
        return Batch.of(tokens, tokens.stream().map(ids -> Batch.shift(ids, 0)).toList());
    }
}
