package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What a long-lived service needs: nothing leaks over a thousand lives of a model, a step makes next to no garbage. */
@ExtendWith(NoLeaks.class)
class SoakTest {
    private static final ModelShape TINY = new ModelShape(257, 16, 32, 4, 2, 128, 1e-5, true);
    private static final int CYCLES = 1000;
    private static final int WARM_UP = 200;
    private static final long GROWTH_BYTES = 48L << 20; // one leaked model a cycle would be 0.5 MiB, so 400 MiB
    private static final long STEP_BYTES = 512; // two arrays of losses, and room for what the compiler leaves

    private final Batch batch = Batch.of(List.of(new int[] {1, 2, 3, 4}, new int[] {5, 6}),
            List.of(new int[] {2, 3, 4, 5}, new int[] {6, 7}));

    @Test
    void aThousandLivesLeaveNothing() throws IOException {
        long settled = 0;
        for (int cycle = 0; cycle < CYCLES; cycle++) {
            if (cycle == WARM_UP) {
                settled = residentBytes();
            }
            live(cycle);
            assertEquals(0, Engine.liveHandles());
        }
        long growth = residentBytes() - settled;
        assertTrue(growth < GROWTH_BYTES, "resident memory grew by " + growth + " bytes");
    }

    private void live(int seed) {
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(TINY, Dtype.F32);
                Arena arena = Arena.ofConfined()) {
            model.initialize(seed);
            EntryFormat format = new EntryFormat(model.sites("all"), 0, Dtype.F32);
            List<MemorySegment> entries = List.of(arena.allocate(model.entries().bytes(format, 4, 4), 64),
                    arena.allocate(model.entries().bytes(format, 2, 2), 64));
            model.gradient(batch, false, new CaptureRing.Capture(format, entries));
            model.step(AdamW.defaults(), 1);
            try (ParameterVector direction = model.vector()) {
                model.entries().accumulate(format, entries, new double[] {1, 1}, null, direction);
                model.buffer(Buffer.PARAMETERS).axpy(1e-3, direction);
            }
            model.losses(batch);
        }
    }

    @Test
    void aSteadyStepAllocatesOnlyWhatItReturns() {
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(TINY, Dtype.F32)) {
            model.initialize(1);
            AdamW options = AdamW.defaults();
            long perStep = Long.MAX_VALUE;
            for (int round = 0, step = 1; round < 10; round++) { // the last rounds are compiled
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 200; i++, step++) {
                    model.gradient(batch);
                    model.step(options, step);
                }
                perStep = Math.min(perStep, (threads.getCurrentThreadAllocatedBytes() - before) / 200);
            }
            assertTrue(perStep <= STEP_BYTES, "a step allocates " + perStep + " bytes");
        }
    }

    private static long residentBytes() throws IOException {
        String line = Files.readAllLines(Path.of("/proc/self/status")).stream().filter(l -> l.startsWith("VmRSS:"))
                .findFirst().orElseThrow();
        return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
    }
}
