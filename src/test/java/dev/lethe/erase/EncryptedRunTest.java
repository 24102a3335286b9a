package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.find.Query;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerKeys;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.TrainListener;
import dev.lethe.run.PendingErasure.PendingErasureException;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Contrast;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.Dtype;
import dev.lethe.train.RunCheck;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A run whose ledger lies under keys gives the same numbers as one in the clear, and a copy of it is dead for the erased. */
@ExtendWith(NoLeaks.class)
class EncryptedRunTest {
    private static final EraseConfig CONFIG = EraserTest.CONFIG.toBuilder().contrast(Contrast.span(8)).build();

    @TempDir
    Path folder;
    private Path keys;
    private Path run;
    private TinyData tiny;

    @BeforeEach
    void train() {
        keys = folder.resolve("keys");
        run = folder.resolve("run");
        tiny = new TinyData(folder, 12);
        train(run, keys);
    }

    private void train(Path out, Path under) {
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, tiny.source, tiny.data, out, TinyData.config().epochs(40).holdoutFraction(0.2).ledgerKeys(under)
                    .build(), TrainListener.silent());
        }
    }

    private static Erasure erase(Path source, Path out, int subject) {
        try (Engine engine = Engine.cpu(); OpenRun open = OpenRun.open(engine, source)) {
            return open.erase(open.find(Query.subject(subject(open.records(), subject))), CONFIG, out, EraseListener.NONE);
        }
    }

    private static String subject(List<TextRecord> records, int which) {
        return records.stream().map(TextRecord::subject).distinct().toList().get(which);
    }

    private double[] scores(Path of) {
        try (Engine engine = Engine.cpu(); LanguageModel model = Checkpoint.load(engine, of.resolve("model"), Dtype.F32);
                GradientLedger ledger = GradientLedger.open(of.resolve("ledger"));
                ParameterVector query = model.vector()) {
            query.axpy(1, model.buffer(Buffer.PARAMETERS));
            InfluenceScorer scorer = new InfluenceScorer(model, ScoreOptions.defaults().withBlockBytes(1 << 14));
            return scorer.dot(ledger, ledger.entries(), query).stream().mapToDouble(one -> one.total()).toArray();
        }
    }

    @Test
    void scoresAndErasuresAreThoseOfARunInTheClear() throws IOException {
        Path plain = folder.resolve("plain");
        train(plain, null);
        assertEquals(Checkpoint.hash(plain.resolve("model")), Checkpoint.hash(run.resolve("model")));
        assertArrayEquals(scores(plain), scores(run));
        Erasure clear = erase(plain, folder.resolve("plain-2"), 0);
        Erasure under = erase(run, folder.resolve("run-2"), 0);
        assertEquals(-1, Files.mismatch(folder.resolve("plain-2/model/model.safetensors"),
                folder.resolve("run-2/model/model.safetensors")), "the same bytes");
        assertEquals(clear.entriesDestroyed(), under.entriesDestroyed());
        assertEquals(null, clear.places().getFirst().keys());
        assertEquals(3, under.places().getFirst().keys());
        assertFalse(Files.readString(folder.resolve("plain-2/journal/erasure.json")).contains("\"keys\""));
        assertTrue(Census.of(run, null).stream().anyMatch(place -> place.kind().equals("ledger")
                && place.holds().endsWith(", under keys in " + keys)));
    }

    @Test
    void aCopyOfTheLedgerIsDeadForTheErasedInTheWholeLineage() throws IOException {
        Path backup = folder.resolve("backup");
        copy(run.resolve("ledger"), backup);
        List<String> ids = RunFolder.open(run).records().stream().map(record -> record.id()).toList();
        Set<Entry.RecordKey> first = Finish.keys(erased(ids, 0));
        erase(run, folder.resolve("run-2"), 0);
        assertReadableBut(backup, first);
        erase(folder.resolve("run-2"), folder.resolve("run-3"), 0);
        Set<Entry.RecordKey> both = Finish.keys(erased(ids, 0));
        both.addAll(Finish.keys(erased(ids.stream().filter(id -> !erased(ids, 0).contains(id)).toList(), 0)));
        assertReadableBut(backup, both);
        for (String one : List.of("run", "run-2", "run-3")) {
            assertTrue(GradientLedger.check(folder.resolve(one).resolve("ledger")).whole(), one);
        }
    }

    /** Those of the same person as the first, or another, of the ids. */
    private static Set<String> erased(List<String> ids, int which) {
        String person = ids.stream().map(id -> id.split("-")[0]).distinct().toList().get(which);
        return ids.stream().filter(id -> id.startsWith(person + "-")).collect(Collectors.toSet());
    }

    private static void assertReadableBut(Path ledger, Set<Entry.RecordKey> gone) {
        int dead = 0;
        try (GradientLedger open = GradientLedger.open(ledger)) {
            for (Entry entry : open.entries()) {
                if (gone.contains(entry.header().key())) {
                    assertThrows(DamagedDataException.class, () -> open.payload(entry));
                    dead++;
                } else {
                    open.payload(entry);
                }
            }
        }
        assertTrue(dead > 0);
    }

    @Test
    void keysThatCannotBeReachedAreFinishedLater() throws IOException {
        Path out = folder.resolve("run-2");
        Path away = folder.resolve("away");
        try (Engine engine = Engine.cpu(); OpenRun open = OpenRun.open(engine, run)) {
            EraseListener leaving = new EraseListener() {
                @Override
                public void stage(String name) {
                    if (name.startsWith("writing")) {
                        try {
                            Files.move(keys, away);
                        } catch (IOException e) {
                            throw new IllegalStateException(e);
                        }
                    }
                }
            };
            var found = open.find(Query.subject(subject(open.records(), 0)));
            PendingErasureException pending = assertThrows(PendingErasureException.class,
                    () -> open.erase(found, CONFIG, out, leaving));
            assertTrue(pending.getMessage().contains("ledger.keys: is not there"), pending.getMessage());
        }
        assertThrows(PendingErasureException.class, () -> RunFolder.open(out));
        Files.move(away, keys);
        assertEquals(1, OpenRun.finish(out, List.of(), List.of()).size());
        RunFolder.open(out);
        RunFolder.open(run);
        Files.move(keys, away);
        BadInputException early = assertThrows(BadInputException.class, () -> erase(run, folder.resolve("run-3"), 1));
        assertTrue(early.getMessage().startsWith(keys.resolve("ledger.keys") + ": is not there"), early.getMessage());
    }

    @Test
    void runsWhoseKeysAreLostAreErasedFromWithoutTheirLedgers() throws IOException {
        Path second = folder.resolve("run-2");
        erase(run, second, 0);
        PrivateFiles.deleteTree(keys);
        PrivateFiles.deleteTree(second.resolve("ledger"));
        BadInputException first = assertThrows(BadInputException.class, () -> erase(second, folder.resolve("run-3"), 0));
        assertTrue(first.getMessage().startsWith(keys.resolve("ledger.keys") + ": is not there"), first.getMessage());
        PrivateFiles.deleteTree(run.resolve("ledger"));
        erase(second, folder.resolve("fresh"), EraserTest.CONFIG.toBuilder().strategy(Strategy.FRESH).contrast(Contrast.NONE).build());
        assertFalse(Files.exists(folder.resolve("fresh/ledger")) || Files.exists(keys));
        erase(folder.resolve("fresh"), folder.resolve("anew"), EraseConfig.of(Strategy.RETRAIN).toBuilder()
                .reference(new Reference.Loss(2)).build());
        try (GradientLedger anew = GradientLedger.open(folder.resolve("anew/ledger"))) { // captured again, under new keys
            anew.payload(anew.entries().getFirst());
        }
        for (String one : List.of("run-2", "fresh", "anew")) {
            assertEquals(List.of(), RunCheck.ledger(RunFolder.open(folder.resolve(one))));
        }
        assertTrue(RunCheck.ledger(RunFolder.open(run)).getFirst().contains("ledger: is missing"));
    }

    private static void erase(Path source, Path out, EraseConfig config) {
        try (Engine engine = Engine.cpu(); OpenRun open = OpenRun.open(engine, source)) {
            open.erase(open.find(Query.subject(subject(open.records(), 0))), config, out, EraseListener.NONE);
        }
    }

    @Test
    void keysInTheRunAreRefusedAndRotatedOnesServe() {
        Path inside = folder.resolve("other");
        assertThrows(BadInputException.class, () -> train(inside, inside.resolve("keys")));
        assertFalse(Files.exists(inside), "nothing is written");
        double[] before = scores(run);
        LedgerKeys.rotate(keys);
        assertArrayEquals(before, scores(run));
    }

    private static void copy(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (var files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }
}
