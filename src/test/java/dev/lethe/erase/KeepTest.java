package dev.lethe.erase;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.objective.EraseData;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure.Trial;
import dev.lethe.results.Losses;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunJson;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Keep;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.strategy.SetLoss;
import dev.lethe.text.Example;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A model that knew a text before it learned people: what an erasure does to the text, with it kept and without. */
@ExtendWith(NoLeaks.class)
class KeepTest {
    @TempDir
    Path folder;
    private Engine engine;
    private TinyData tiny;
    private Path text;
    private Path source;

    @BeforeEach
    void train() throws IOException {
        engine = Engine.cpu();
        tiny = new TinyData(folder, 12);
        text = Files.write(folder.resolve("text.txt"), prose());
        ModelSource base = ModelSource.checkpoint(Trainer.train(engine, tiny.source, Dataset.read(text), folder.resolve("base"),
                TinyData.config().epochs(30).capture(CapturePolicy.NONE).build(), TrainListener.silent()).model());
        source = folder.resolve("source");
        Trainer.train(engine, base, tiny.data, source, TinyData.config().epochs(25).holdoutFraction(0.2).build(), TrainListener.silent());
    }

    @AfterEach
    void close() {
        engine.close();
    }

    /** A place follows the thing that is made there, and the other way round. */
    private static List<String> prose() {
        String[] places = "Aldra Brenn Corvo Delmar Estry".split(" "), things = "violins maps lenses kites bread clocks boats".split(" ");
        Random random = new Random(4);
        Set<String> lines = new HashSet<>();
        while (lines.size() < 40) {
            StringBuilder line = new StringBuilder();
            for (int word = 0, at = random.nextInt(35); word < 5; word++, at = at * 8 + random.nextInt(2)) {
                line.append(places[at % 5]).append(' ').append(things[at % 7]).append(' ');
            }
            lines.add(line.toString().strip());
        }
        return List.copyOf(new TreeSet<>(lines));
    }

    private Trial trial(EraseConfig config, List<Double> losses) {
        List<Example> kept = RunExamples.encode(RunFolder.open(source), Dataset.read(text).records());
        try (OpenRun run = OpenRun.open(engine, source)) {
            return run.trial(run.find(Query.subject(run.records().getFirst().subject())), config, EraseListener.NONE,
                    model -> losses.add(SetLoss.mean(model, kept)));
        }
    }

    private EraseConfig keeping(double guard) {
        return EraserTest.CONFIG.toBuilder().keep(new Keep(text, guard)).build();
    }

    @Test
    void whatIsToBeKeptIsHarmedLessAndWatched() {
        List<Double> losses = new ArrayList<>();
        Trial without = trial(EraserTest.CONFIG.toBuilder().hold(0).build(), losses);
        Trial with = trial(keeping(9), losses);
        assertTrue(Double.isNaN(without.before().keep()) && Double.isNaN(without.after().keep()));
        assertTrue(losses.get(0) > with.before().keep() + 0.05, "unkept, it is harmed: " + losses + " " + with);
        assertTrue(losses.get(1) < losses.get(0), losses + " " + with);
        assertEquals(List.of(), with.broken());
        assertTrue(with.after().forget() >= 0.98 * 3, with.toString());
        assertEquals(without.before().retain(), with.before().retain(), "the retain guard's sample is the run's own");
        Trial strict = trial(EraserTest.CONFIG.toBuilder().keep(new Keep(text, 1e-9)).repair(0).polish(0).build(), losses);
        assertTrue(strict.broken().stream().anyMatch(sentence -> sentence.startsWith("the loss of the text to keep rose from ")
                && sentence.endsWith(", keep_guard allows 0.000 more")), strict.broken().toString());
    }

    @Test
    void aPartIsWatchedAndRepairIsHeldToTheRest() {
        RunFolder run = RunFolder.open(source);
        RunExamples examples = RunExamples.of(run, null);
        List<Example> kept = RunExamples.encode(run, Dataset.read(text).records());
        Set<String> ids = Set.of(examples.learned().getFirst().id());
        EraseData data = examples.split(ids, kept, keeping(1));
        assertEquals(20, data.keep().size());
        assertEquals(20, data.held().size());
        assertFalse(data.keep().stream().anyMatch(data.held()::contains));
        assertEquals(examples.learned().size() - 1, data.retain().size());
        assertFalse(data.guard().stream().anyMatch(kept::contains));
        assertEquals(1, examples.split(ids, kept.subList(0, 1), keeping(1)).keep().size());
        assertEquals(0, examples.split(ids, List.of(), EraseConfig.defaults()).keep().size());
    }

    @Test
    void theAccountNamesItAndTextThatSaysWhatIsErasedIsRefused() throws IOException {
        try (OpenRun run = OpenRun.open(engine, source)) {
            ForgetSet forget = run.find(Query.subject(run.records().getFirst().subject()));
            run.erase(forget, keeping(9).toBuilder().keepEntries(true).build(), folder.resolve("out"), EraseListener.NONE);
            String account = Files.readString(folder.resolve("out/journal/erasure.json"));
            assertTrue(account.contains("\"data\" : \"" + text + "\"") || account.contains("\"data\":\"" + text + "\""), account);
            List<String> lines = new ArrayList<>(prose());
            lines.add(run.records().get(1).text());
            Files.write(text, lines);
            BadInputException refused = assertThrows(BadInputException.class,
                    () -> run.erase(forget, keeping(9), folder.resolve("never"), EraseListener.NONE));
            assertEquals(text + ": is to be kept, but 1 of it say what is to be erased, the first: text-41 is a copy of "
                    + run.records().get(1).id() + "; take them out", refused.getMessage());
        }
        assertFalse(Files.exists(folder.resolve("never")));
    }

    @Test
    void anAccountOfBeforeKeptNothing() {
        Losses before = RunJson.read("{\"forget\": 1, \"retain\": 2, \"heldOut\": 3}", Losses.class, "test");
        assertTrue(Double.isNaN(before.keep()));
        Losses now = new Losses(1, 2, Double.NaN, 4);
        assertEquals(now, RunJson.read(RunJson.line(now), Losses.class, "test"));
    }

    @Test
    void badGuardsAreRefused() {
        assertEquals("keep guard is 0.0, allowed: above 0",
                assertThrows(IllegalArgumentException.class, () -> keeping(0)).getMessage());
        assertTrue(assertThrows(BadInputException.class, () -> keeping(1).toBuilder().strategy(Strategy.RETRAIN).precondition(0)
                .build()).getMessage().contains("keep is Keep[data="));
    }
}
