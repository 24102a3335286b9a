package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** OpenMP's threads have the name of the thread that first needed them, which tells whose they are. */
class EngineThreadsTest {
    /** Large enough for work on it to be shared out. */
    private static final ModelShape SMALL = new ModelShape(512, 64, 64, 4, 2, 256, 1e-5, true);

    @Test
    void eachEngineHasItsOwnNumber() throws Exception {
        try (Engine one = Engine.open(Device.cpu(), Dtype.F32, 1); Engine three = Engine.open(Device.cpu(), Dtype.F32, 3);
                Engine usual = Engine.cpu()) {
            assertEquals(3, team("three", three));
            assertEquals(1, team("one", one));
            assertEquals(Engine.buildInfo().threads(), usual.threads());
            assertEquals(usual.threads(), team("usual", usual));
            assertEquals(usual.threads(), team("after one", one, usual));
            assertEquals(3, team("in turns", three, one, three));
        }
    }

    /** Threads of that name once the engines have worked on one, each in its turn. */
    private static long team(String name, Engine... engines) throws Exception {
        FutureTask<Long> counted = new FutureTask<>(() -> {
            for (Engine engine : engines) {
                try (LanguageModel model = engine.model(SMALL, Dtype.F32)) {
                    model.initialize(1);
                    List<int[]> records = Collections.nCopies(8, IntStream.range(0, 64).toArray());
                    model.gradient(Batch.of(records, records));
                }
            }
            try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
                return tasks.filter(task -> named(task, name)).count();
            }
        });
        Thread.ofPlatform().name(name).start(counted);
        return counted.get();
    }

    private static boolean named(Path task, String name) {
        try {
            return Files.readString(task.resolve("comm")).strip().equals(name);
        } catch (IOException e) {
            return false; // it has ended
        }
    }
}
