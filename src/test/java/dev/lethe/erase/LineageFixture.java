package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.Query;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A trained run of twelve people in a folder of its own, from which people are erased. */
@ExtendWith(NoLeaks.class)
abstract class LineageFixture {
    private static final EraseConfig CONFIG = EraserTest.CONFIG.toBuilder().reference(new Reference.Loss(1.5))
            .retainGuard(50).heldOutGuard(50).relearnSteps(0).build();

    @TempDir
    Path folder;
    Engine engine;
    Path a;

    @BeforeEach
    void train() {
        engine = Engine.cpu();
        TinyData tiny = new TinyData(folder, 12);
        a = folder.resolve("a");
        Trainer.train(engine, tiny.source, tiny.data, a,
                TinyData.config().epochs(30).capture(CapturePolicy.LAST).holdoutFraction(0.2).build(), TrainListener.silent());
    }

    @AfterEach
    void close() {
        engine.close();
    }

    String person(int rank) {
        return RunFolder.open(a).records().stream().map(record -> record.id().split("-")[0]).distinct().toList().get(rank);
    }

    Erasure erase(Path from, String person, Path out, EraseListener listener) {
        try (OpenRun run = OpenRun.open(engine, from)) {
            return run.erase(run.find(Query.subject(person)), CONFIG, out, listener);
        }
    }

    Erasure erase(Path from, String person, String out) {
        return erase(from, person, folder.resolve(out), EraseListener.NONE);
    }

    static Set<RecordKey> keys(String person) {
        return Set.of(RecordKey.of(person + "-home"), RecordKey.of(person + "-work"), RecordKey.of(person + "-friend"));
    }

    /** Entries of a person that can still be read. */
    static int live(Path run, String person) {
        try (GradientLedger ledger = GradientLedger.open(run.resolve("ledger"))) {
            return (int) ledger.entries().stream().filter(entry -> !entry.destroyed()).map(Entry::header)
                    .filter(header -> keys(person).contains(header.key())).count();
        }
    }

    static void assertGone(String person, Path... runs) {
        for (Path run : runs) {
            assertEquals(0, live(run, person), person + " in " + run);
        }
    }

    void assertNothingBut(String... names) throws IOException {
        try (Stream<Path> inside = Files.list(folder)) {
            assertEquals(List.of(names), inside.map(path -> path.getFileName().toString()).sorted().toList());
        }
    }
}
