package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.InterruptedWorkException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.cli.Main;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.Work;
import dev.lethe.eval.Evaluator;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.EraseConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Interrupts in every phase of what a run offers: one exception, the flag set, everything as it was or whole. */
@ExtendWith(NoLeaks.class)
class InterruptTest {
    private static final EraseConfig KEEP = EraserTest.CONFIG.toBuilder().keepEntries(true).build();

    @TempDir
    Path folder;
    private Engine engine;
    private Path source;
    private Path out;
    private String hash;

    @BeforeEach
    void train() {
        engine = Engine.cpu();
        TinyData tiny = new TinyData(folder, 12);
        source = folder.resolve("source");
        out = folder.resolve("out");
        Trainer.train(engine, tiny.source, tiny.data, source, TinyData.config().epochs(40).holdoutFraction(0.2).build(),
                TrainListener.silent());
        hash = Checkpoint.hash(source.resolve("model"));
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private Erasure erase(EraseConfig config, EraseListener listener) {
        try (OpenRun run = OpenRun.open(engine, source)) {
            return run.erase(run.find(Query.subject(run.records().getFirst().subject())), config, out, listener);
        }
    }

    private static EraseListener at(String stage, Runnable what) {
        return new EraseListener() {
            @Override
            public void stage(String name) {
                if (name.startsWith(stage)) {
                    what.run();
                }
            }
        };
    }

    private void assertNothingChanged() throws IOException {
        try (Stream<Path> inside = Files.list(folder)) {
            assertEquals(List.of("people.jsonl", "source", "tokenizer"),
                    inside.map(path -> path.getFileName().toString()).sorted().toList());
        }
        assertEquals(hash, Checkpoint.hash(source.resolve("model")));
        try (GradientLedger ledger = GradientLedger.open(source.resolve("ledger"))) {
            assertTrue(ledger.entries().stream().noneMatch(Entry::destroyed));
        }
    }

    @Test
    void everyStageEndsWithTheOneException() throws IOException {
        Set<String> stages = new LinkedHashSet<>();
        erase(KEEP, new EraseListener() {
            @Override
            public void stage(String name) {
                stages.add(name);
            }
        });
        deleteOut();
        assertTrue(stages.size() >= 4, "stages " + stages);
        Thread caller = Thread.currentThread();
        for (String stage : stages) {
            InterruptedWorkException end = assertThrows(InterruptedWorkException.class, () -> erase(KEEP, at(stage, () -> {
                caller.interrupt();
                while (!Work.interrupted()) { // until the caller has woken and asked
                    Thread.onSpinWait();
                }
            })), stage);
            assertEquals("the erasure was interrupted; the source run is as it was and no new run was made", end.getMessage());
            assertTrue(Thread.interrupted(), "the flag is set after " + stage);
            assertNothingChanged();
        }
    }

    @Test
    void anInterruptAtAnyMomentIsHeardOrTooLate() throws Exception {
        erase(KEEP, EraseListener.NONE); // warm
        deleteOut();
        long start = System.nanoTime();
        erase(KEEP, EraseListener.NONE);
        long whole = System.nanoTime() - start;
        deleteOut();
        Random random = new Random();
        Thread caller = Thread.currentThread();
        for (int i = 0; i < 6; i++) {
            long after = (long) (random.nextDouble() * whole);
            Thread interrupter = Thread.ofPlatform().start(() -> {
                LockSupport.parkNanos(after);
                caller.interrupt();
            });
            boolean made = false;
            try {
                erase(KEEP, EraseListener.NONE);
                made = true;
            } catch (InterruptedWorkException e) {
                assertTrue(caller.isInterrupted(), "the flag is set");
            }
            while (interrupter.isAlive()) {
                Thread.onSpinWait();
            }
            assertTrue(Thread.interrupted(), "the flag is set whatever came of it");
            if (made) {
                assertEquals(Files.readAllLines(source.resolve("records.jsonl")).size() - 3,
                        RunFolder.open(out).records().size(), "whole");
                deleteOut();
            }
            assertNothingChanged();
        }
    }

    @Test
    void anInterruptDuringTheCommitComesTooLate() throws Exception {
        Thread caller = Thread.currentThread();
        AtomicBoolean over = new AtomicBoolean();
        Thread interrupter = Thread.ofPlatform().start(() -> {
            while (!over.get()) {
                if (newModelIsWritten()) {
                    caller.interrupt();
                }
            }
        });
        Erasure erasure = erase(EraserTest.CONFIG, EraseListener.NONE);
        over.set(true);
        while (interrupter.isAlive()) {
            Thread.onSpinWait();
        }
        assertTrue(Thread.interrupted(), "the flag is set");
        assertEquals(3, erasure.entriesDestroyed());
        for (Path run : List.of(source, out)) {
            try (GradientLedger ledger = GradientLedger.open(run.resolve("ledger"))) {
                assertEquals(3, ledger.entries().stream().filter(Entry::destroyed).count());
            }
        }
    }

    private boolean newModelIsWritten() {
        try (Stream<Path> beside = Files.list(folder)) {
            return beside.anyMatch(path -> !path.equals(source) && Files.exists(path.resolve("model/model.safetensors")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void openingFindingLoadingAndEvaluatingHearItToo() {
        try (OpenRun run = OpenRun.open(engine, source); LanguageModel model = Checkpoint.load(engine, source.resolve("model"), Dtype.F32)) {
            var examples = RunExamples.of(run.folder(), null).learned();
            Thread.currentThread().interrupt();
            for (Runnable work : List.<Runnable>of(
                    () -> run.find(Query.fuzzy("person1 makes", 80)),
                    () -> Checkpoint.load(engine, source.resolve("model"), Dtype.F32).close(),
                    () -> new Evaluator().evaluate(model, examples))) {
                assertThrows(InterruptedWorkException.class, work::run);
                assertTrue(Thread.currentThread().isInterrupted(), "the flag stays");
            }
            OpenRun.open(engine, source).close(); // short enough to be done
            GradientLedger.open(source.resolve("ledger")).close();
            assertTrue(Thread.interrupted(), "the flag stays");
            assertFalse(run.find(Query.fuzzy("person1 makes", 80)).matches().isEmpty(), "and the run is usable");
        }
    }

    @Test
    void aCommandEndsWithExitCodeTwo() throws IOException {
        for (List<String> command : List.of(
                List.of("eval", source.toString()),
                List.of("erase", source.toString(), "--subject", "person1", "--out", out.toString(),
                        "--reference", "3", "--set", "retain_guard=2", "--set", "held_out_guard=2"))) {
            ByteArrayOutputStream told = new ByteArrayOutputStream();
            Thread.currentThread().interrupt();
            int code = Main.execute(new PrintStream(OutputStream.nullOutputStream()), new PrintStream(told),
                    command.toArray(String[]::new));
            assertTrue(Thread.interrupted(), "the flag is set");
            assertEquals(2, code, told.toString());
            assertTrue(told.toString().contains("interrupted"), told.toString());
        }
        assertNothingChanged();
    }

    @Test
    void callsOnARunWaitForEachOther() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch tried = new CountDownLatch(1);
        OpenRun run = OpenRun.open(engine, source);
        ForgetSet forget = run.find(Query.subject("person0"));
        Thread user = Thread.ofVirtual().name("user").start(() -> assertThrows(InterruptedWorkException.class,
                () -> run.erase(forget, KEEP, out, at("ascent", () -> {
                    run.find(Query.subject("person1")); // its own listener may
                    begun.countDown();
                    try {
                        tried.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                }))));
        begun.await();
        AtomicReference<Throwable> given = new AtomicReference<>();
        Thread hasty = Thread.ofVirtual().start(() -> given.set(assertThrows(InterruptedWorkException.class, run::records)));
        CompletableFuture<Integer> patient = CompletableFuture.supplyAsync(() -> run.records().size());
        Thread closing = Thread.ofVirtual().start(() -> {
            patient.join();
            run.close();
        });
        hasty.interrupt();
        hasty.join();
        assertEquals(source + ": interrupted while another thread was at work with this run", given.get().getMessage());
        assertFalse(patient.isDone());
        user.interrupt();
        tried.countDown();
        assertTrue(user.join(Duration.ofSeconds(30)));
        assertTrue(patient.join() > 0);
        closing.join();
        run.close();
        assertEquals(source + ": this run is closed; open it again",
                assertThrows(IllegalStateException.class, run::records).getMessage());
        assertNothingChanged();
    }

    /** Where tensors lie in a configuration: answered in microseconds, on whatever thread. */
    private static final Set<String> LAYOUT = Set.of("model layout", "model tensors", "model sites");

    /** Every native call that works and that the flight recorder sees is on a platform thread of Lethe's, whoever asked for it. */
    @Test
    void nativeWorkForVirtualThreadsIsOnPlatformThreads() throws Exception {
        Path file = folder.resolve("calls.jfr");
        try (Recording recording = new Recording()) {
            recording.enable("dev.lethe.NativeCall").withoutThreshold();
            recording.start();
            Thread caller = Thread.ofVirtual().start(() -> {
                erase(KEEP, at("ascent", () -> assertFalse(Thread.currentThread().isVirtual())));
                RunFolder run = RunFolder.open(out);
                try (LanguageModel model = Checkpoint.load(engine, run.model(), Dtype.F32)) {
                    new Evaluator(64, done -> assertFalse(Thread.currentThread().isVirtual()))
                            .evaluate(model, RunExamples.of(run, null).learned());
                }
            });
            caller.join();
            recording.stop();
            recording.dump(file);
        }
        List<RecordedEvent> calls = RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getEventType().getName().equals("dev.lethe.NativeCall"))
                .filter(event -> !LAYOUT.contains(event.getString("function"))).toList();
        assertTrue(calls.size() > 100, "calls " + calls.size());
        assertTrue(calls.stream().anyMatch(call -> call.getString("function").equals("score")), "evaluated");
        assertEquals(Set.of("lethe-erasure", "lethe-load", "lethe-evaluation"),
                calls.stream().map(call -> call.getThread().getJavaName()).collect(Collectors.toSet()));
        assertTrue(calls.stream().noneMatch(call -> call.getThread().isVirtual()));
    }

    private void deleteOut() throws IOException {
        PrivateFiles.deleteTree(out);
    }
}
