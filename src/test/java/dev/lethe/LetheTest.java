package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.LetheException.Code;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.results.Erasure;
import dev.lethe.results.Evaluation;
import dev.lethe.results.Score;
import dev.lethe.results.Trace;
import dev.lethe.results.TrainListener;
import dev.lethe.settings.AdoptConfig;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.train.TinyData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** The door: every job of it, how jobs wait, end and are cancelled, and that an open run is shared. */
@ExtendWith(NoLeaks.class)
class LetheTest {
    private static final TrainConfig CONFIG = TrainConfig.builder().epochs(20).batchSize(4).learningRate(3e-3).holdoutFraction(0.2).build();

    @TempDir
    Path folder;
    private final List<Job<?>> told = Collections.synchronizedList(new ArrayList<>());
    private TinyData tiny;
    private Lethe lethe;

    @BeforeEach
    void open() {
        tiny = new TinyData(folder, 10);
        lethe = Lethe.builder().threads(2).listener(told::add).build();
    }

    @AfterEach
    void close() {
        lethe.close();
    }

    private Job<Run> train(String name, TrainConfig config) {
        return lethe.train(tiny.source, tiny.data, folder.resolve(name), config);
    }

    @Test
    void doesAllThatAProgramAsksFor() {
        Job<Run> training = train("first", CONFIG);
        Path second = folder.resolve("second");
        try (Run first = training.join()) {
            assertEquals(Job.State.DONE, training.state());
            assertEquals("training", training.progress().stage());
            assertEquals(training.progress().of(), training.progress().done());
            assertTrue(training.elapsed().compareTo(Duration.ZERO) > 0);
            assertTrue(told.contains(training));
            assertEquals(first.records().size(), first.summary().records());
            assertEquals(List.of(), first.check());
            String subject = first.records().getFirst().subject();
            ForgetSet forget = first.find(Query.subject(subject));
            assertEquals(3, forget.size());
            assertTrue(first.replayPrice(forget).steps() > 0);
            List<TextRecord> gone = first.records().stream().filter(record -> subject.equals(record.subject())).toList();
            double before = lethe.evaluate(first, gone).join().meanLoss();
            List<Score> scores = lethe.score(first, List.of(gone.getFirst())).join();
            assertEquals(first.summary().records(), scores.size());
            assertEquals(scores.stream().map(Score::value).sorted(Collections.reverseOrder()).toList(),
                    scores.stream().map(Score::value).toList());
            assertTrue(scores.subList(0, 5).stream().anyMatch(score -> score.recordId().equals(gone.getFirst().id())), scores.toString());
            EraseConfig config = EraseConfig.defaults().toBuilder().retainGuard(5).heldOutGuard(5).build();
            Erasure erasure = lethe.erase(first, forget, config, second).join();
            assertEquals(3, erasure.records().size());
            assertTrue(lethe.evaluate(second, tiny.data.filter(record -> subject.equals(record.subject()))).join().meanLoss() > before);
            assertTrue(lethe.traces(second, gone).join().stream().filter(trace -> trace.found() == Trace.Found.YES)
                    .anyMatch(trace -> trace.path().equals(tiny.file.toString())));
        }
        assertTrue(Files.exists(lethe.report(second, null, Lethe.Shown.NONE, null).join()));
        assertEquals(List.of(), lethe.finish(second, List.of(), List.of()).join());
        try (Run opened = lethe.open(second); Run adopted = lethe.adopt(ModelSource.checkpoint(second.resolve("model")), Dataset.of(tiny.file,
                opened.records()), folder.resolve("adopted"), AdoptConfig.builder().epochs(20).force(true).build()).join()) {
            assertEquals(folder.resolve("first"), opened.summary().parent());
            assertEquals(opened.records().size(), adopted.summary().records());
        }
    }

    @Test
    void waitsItsTurnAndIsCancelled() throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        try (ExecutorService one = Executors.newSingleThreadExecutor(Thread.ofVirtual().factory());
                Lethe alone = Lethe.builder().executor(one).listener(job -> {
                    if (job.progress().done() > 3) {
                        running.countDown();
                    }
                }).build()) {
            Job<Run> endless = alone.train(tiny.source, tiny.data, folder.resolve("endless"), CONFIG.toBuilder().epochs(100_000).build());
            Job<Run> waiting = alone.train(tiny.source, tiny.data, folder.resolve("waiting"), CONFIG);
            Job<Run> last = alone.resume(folder.resolve("endless"));
            running.await();
            assertEquals(Job.State.RUNNING, endless.state());
            assertEquals(Job.State.QUEUED, waiting.state());
            waiting.cancel();
            assertEquals(Job.State.CANCELLED, waiting.state());
            assertEquals("train: cancelled before it began", assertThrows(LetheException.class, waiting::join).getMessage());
            endless.cancel();
            LetheException cancelled = assertThrows(LetheException.class, endless::join);
            assertEquals(Code.CANCELLED, cancelled.code());
            assertEquals(folder.resolve("endless") + " can be resumed", cancelled.remedy());
            assertEquals(cancelled, endless.failure());
            assertFalse(Files.exists(folder.resolve("waiting")));
            Thread waiter = Thread.ofVirtual().start(() -> {
                assertEquals(Code.CANCELLED, assertThrows(LetheException.class, last::join).code());
                assertTrue(Thread.currentThread().isInterrupted());
            });
            while (last.progress().done() == 0) {
                Thread.sleep(5);
            }
            waiter.interrupt();
            waiter.join();
            assertEquals(Job.State.CANCELLED, last.state());
        }
    }

    @Test
    void saysWhatIsWrong() throws IOException {
        Path taken = Files.createDirectories(folder.resolve("taken/x")).getParent();
        LetheException conflict = assertThrows(LetheException.class, () -> train("taken", CONFIG).join());
        assertEquals(Code.CONFLICT, conflict.code());
        assertEquals(taken + ": is not empty; name a new folder", conflict.getMessage());
        assertInstanceOf(LetheException.class, lethe.evaluate(folder.resolve("none")).future().handle((_, e) -> e.getCause()).join());
        Lethe closed = Lethe.open();
        closed.close();
        assertThrows(IllegalStateException.class, () -> closed.open(taken));
    }

    @Test
    void aListenerMayCloseItAndWhatIsCompleteIsGivenAllTheSame() throws Exception {
        AtomicReference<Lethe> one = new AtomicReference<>();
        one.set(Lethe.builder().threads(2).training(new TrainListener() {
            @Override
            public void finished(Path run) {
                one.get().close();
            }
        }).build());
        Job<Run> training = one.get().train(tiny.source, tiny.data, folder.resolve("whole"), CONFIG);
        training.future().get(60, TimeUnit.SECONDS).close();
        assertEquals(Job.State.DONE, training.state());
        one.get().close();
        CountDownLatch closed = new CountDownLatch(1);
        one.set(Lethe.builder().listener(job -> {
            if (job.state().ended()) {
                one.get().close();
                closed.countDown();
            }
        }).build());
        one.get().evaluate(folder.resolve("none"));
        assertTrue(closed.await(60, TimeUnit.SECONDS));
    }

    @Test
    void aJobThatTheExecutorRefusesFails() {
        ExecutorService none = Executors.newSingleThreadExecutor();
        none.shutdown();
        try (Lethe refused = Lethe.builder().executor(none).build()) {
            Job<Evaluation> job = refused.evaluate(folder.resolve("none"));
            assertEquals(Job.State.FAILED, job.state());
            assertThrows(RejectedExecutionException.class, job::join);
        }
    }

    @Test
    void anInterruptCancelsWhatReadsOnlyFilesToo() {
        try (Run run = train("read", CONFIG).join(); Lethe here = Lethe.builder().executor(task -> {
            Thread.currentThread().interrupt();
            task.run();
            assertTrue(Thread.interrupted());
        }).build()) {
            assertEquals(Job.State.CANCELLED, here.report(run.path(), null, Lethe.Shown.NONE, null).state());
            assertEquals(Job.State.CANCELLED, here.traces(run.path(), run.records()).state());
            Thread.currentThread().interrupt();
            assertEquals(Code.CANCELLED, assertThrows(LetheException.class, run::check).code());
            assertTrue(Thread.interrupted());
        }
    }

    @Test
    void anOpenRunIsSharedAndOnesForgottenAreFreed() throws Exception {
        Path path;
        try (Run run = train("shared", CONFIG).join()) {
            path = run.path();
            List<TextRecord> records = run.records();
            Set<Double> losses = Collections.synchronizedSet(new HashSet<>());
            List<Thread> threads = IntStream.range(0, 8).mapToObj(i -> (i % 2 == 0 ? Thread.ofVirtual() : Thread.ofPlatform())
                    .start(() -> losses.add(lethe.evaluate(run, records).join().meanLoss()))).toList();
            for (Thread thread : threads) {
                thread.join();
            }
            assertEquals(1, losses.size(), losses.toString());
            assertEquals(1, Engine.liveHandles());
        }
        assertEquals(0, Engine.liveHandles());
        forget(path);
        for (int i = 0; i < 200 && Engine.liveHandles() > 0; i++) {
            System.gc();
            Thread.sleep(50);
        }
        assertEquals(0, Engine.liveHandles());
    }

    private void forget(Path path) {
        Run run = lethe.open(path);
        lethe.evaluate(run, run.records()).join();
        assertEquals(1, Engine.liveHandles());
    }

    /** Memory of the process, which a leak of three kilobytes an evaluation would raise by thirty megabytes. */
    @Test
    @Tag("extended")
    void tenThousandEvaluationsOfAnOpenRunTakeNoMemory() throws IOException {
        Path path = folder.resolve("flat");
        train("flat", CONFIG).join().close();
        try (Lethe untold = Lethe.builder().threads(2).build(); Run run = untold.open(path)) { // for this test keeps what it is told
            List<TextRecord> records = run.records();
            Evaluation first = evaluate(untold, run, records, 5000);
            System.gc();
            long before = resident();
            long handles = Engine.liveHandles();
            assertEquals(first, evaluate(untold, run, records, 10_000));
            System.gc();
            long after = resident();
            System.out.printf("resident: %,d kB, after 10,000 evaluations %,d kB; native handles %d, %d%n", before, after, handles,
                    Engine.liveHandles());
            assertEquals(handles, Engine.liveHandles());
            assertTrue(after - before < 24_000, "grown by " + (after - before) + " kB");
        }
    }

    private static Evaluation evaluate(Lethe lethe, Run run, List<TextRecord> records, int times) {
        Evaluation last = null;
        for (int i = 0; i < times; i++) {
            last = lethe.evaluate(run, records).join();
        }
        return last;
    }

    private static long resident() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", ""))).findFirst().orElseThrow();
    }
}
