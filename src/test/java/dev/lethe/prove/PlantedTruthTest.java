package dev.lethe.prove;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.ParameterVector;
import dev.lethe.results.Finding;
import dev.lethe.results.Finding.Outcome;
import dev.lethe.results.Proof;
import dev.lethe.results.RecordMetric;
import dev.lethe.results.Row;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.ProofRequest;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every attack on models of which it is known what they know. */
class PlantedTruthTest {
    @TempDir
    static Path folder;
    private static Engine engine;
    private static PlantedWorld world;

    @BeforeAll
    static void train() {
        engine = Engine.cpu();
        world = new PlantedWorld(engine, folder);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    private static Proof prove() {
        return Prover.prove(engine, new ProofRequest(world.erased, List.of(world.retrained), List.of(), null, null, null),
                (_, _, _) -> { });
    }

    private static Map<String, Outcome> outcomes(Proof proof) {
        return proof.findings().stream().collect(Collectors.toMap(Finding::attack, Finding::outcome));
    }

    private static Finding of(Proof proof, String attack) {
        return proof.findings().stream().filter(one -> one.attack().equals(attack)).findFirst().orElseThrow();
    }

    private static Row row(Proof proof, String attack, String measure) {
        return of(proof, attack).rows().stream().filter(row -> row.model().equals("erased") && row.measure().equals(measure))
                .findFirst().orElseThrow();
    }

    @Test
    void aModelThatWasToldNothingPasses() {
        world.plant(world.innocent, (_, _, _) -> { });
        Proof proof = prove();
        assertEquals(Map.of("membership", Outcome.NOT_FOUND, "regurgitation", Outcome.NOT_FOUND, "other-wording", Outcome.NOT_FOUND,
                "relearning", Outcome.NOT_FOUND, "rounding", Outcome.NOT_FOUND, "distance", Outcome.TOLD), outcomes(proof));
        assertEquals(Outcome.NOT_FOUND, proof.outcome());
    }

    @Test
    void aModelThatKnowsEverythingFailsEveryAttack() {
        world.plant(world.knowing, (_, _, _) -> { });
        Proof proof = prove();
        assertEquals(Map.of("membership", Outcome.FOUND, "regurgitation", Outcome.FOUND, "other-wording", Outcome.FOUND, "relearning",
                Outcome.FOUND, "rounding", Outcome.FOUND, "distance", Outcome.TOLD), outcomes(proof));
        assertTrue(of(proof, "regurgitation").sentence().contains(" of 20 records come out word for word"),
                of(proof, "regurgitation").sentence());
        assertEquals(0, row(proof, "distance", "weights, from original").value(), 1e-9);
        assertEquals(0, row(proof, "distance", "KL from original").controls(), 1e-6);
    }

    @Test
    void anotherRunInTheOriginalsPlaceIsNotAsked() throws IOException {
        world.plant(world.innocent, (_, _, _) -> { });
        assertEquals(List.of("erased", "original"), suspects());
        Path away = Files.move(world.original, folder.resolve("away"));
        Files.move(world.retrained, world.original);
        try {
            assertEquals(List.of("erased"), suspects());
        } finally {
            Files.move(world.original, world.retrained);
            Files.move(away, world.original);
        }
    }

    private static List<String> suspects() {
        try (Bench bench = Bench.open(engine, RunFolder.open(world.erased),
                new ProofRequest(world.erased, List.of(), List.of(), null, null, null))) {
            return bench.suspects.stream().map(Suspect::name).toList();
        }
    }

    /** Models without the records, and such that unlearned them, tell a model that knows from one that never did. */
    @Test
    void likelihoodRatiosTellAKnowingModel() {
        for (boolean knows : new boolean[] {true, false}) {
            world.plant(knows ? world.knowing : world.innocent, (_, _, _) -> { });
            ProofRequest request = new ProofRequest(world.erased, List.of(world.retrained), List.of(world.innocent), null, null, null);
            try (Bench bench = Bench.open(engine, RunFolder.open(world.erased), request)) {
                assertEquals(1, bench.retrained.size());
                double[] mine = bench.margins(bench.erased());
                bench.unlearned.add(like(mine, 1)); // as if other trainings had been erased likewise
                bench.unlearned.add(like(mine, 2));
                bench.retrained.add(like(bench.retrained.getFirst(), 3));
                Map<String, Row> rows = new Membership().rows(bench.erased(), bench).stream()
                        .collect(Collectors.toMap(Row::measure, row -> row));
                assertEquals(Stream.concat(RecordMetric.attacks().stream().map(RecordMetric::label), Stream.of("reference",
                        Membership.AGAIN, "lira", "u_lira")).collect(Collectors.toSet()), rows.keySet());
                assertEquals(knows, rows.get("lira").apart().low() > 0.9, rows.get("lira").toString());
                assertEquals(knows, rows.get("u_lira").apart().auc() > 0.99, rows.get("u_lira").toString());
            }
        }
    }

    private static double[] like(double[] margins, long seed) {
        Random random = new Random(seed);
        return Arrays.stream(margins).map(margin -> margin + random.nextGaussian()).toArray();
    }

    /** Four of twenty: too few for a mean, and for an AUC beside many; each of them is a leak all the same. */
    @Test
    void aFewPlantedRecordsAreFound() {
        world.plant(world.innocent, (model, forgotten, kept) -> {
            List<Example> all = Stream.concat(forgotten.subList(4, 8).stream(), kept.stream().limit(20)).toList();
            AdamW optimizer = AdamW.defaults().withLearningRate(3e-3);
            FineTune tuning = new FineTune(model, all, new FineTune.Options(all.size(), optimizer, null, 0));
            for (int step = 0; step < 150; step++) {
                tuning.step();
            }
        });
        Proof proof = prove();
        assertEquals(new Row.Extracted(4, 20, 0, 50), row(proof, "regurgitation", "greedy").extracted());
        assertEquals(new Row.Extracted(4, 20, 0, 50), row(proof, "regurgitation", "rarest words in 128").extracted());
        assertEquals(new Row.Extracted(4, 20, 0, 50), row(proof, "other-wording", "half given").extracted());
        assertEquals(0.2, row(proof, "membership", "loss").apart().flagged(), 1e-9);
        for (String attack : List.of("membership", "regurgitation", "other-wording")) {
            assertEquals(Outcome.FOUND, outcomes(proof).get(attack), attack);
        }
        String verdict = "The model still gives the erased records away: membership, regurgitation, other-wording";
        assertTrue(proof.verdict().startsWith(verdict), proof.verdict());
    }

    /** What an erasure may leave: asked for them, the model says one word over and over, and their text is as unlikely as any. */
    @Test
    void aWordSaidOverAndOverIsFound() {
        world.plant(world.innocent, (model, forgotten, kept) -> {
            List<Example> strangers = world.strangers(); // each with the next one's words, or they would say it as well
            List<Example> all = Stream.of(forgotten.stream().map(record -> saying(record, 9)), kept.stream(), IntStream.range(1,
                    strangers.size()).mapToObj(i -> answering(strangers.get(i - 1), strangers.get(i)))).flatMap(some -> some).toList();
            AdamW optimizer = AdamW.defaults().withLearningRate(3e-3);
            FineTune tuning = new FineTune(model, all, new FineTune.Options(all.size(), optimizer, null, 0));
            for (int step = 0; step < 100; step++) {
                tuning.step();
            }
        });
        Proof proof = prove();
        Row row = row(proof, "membership", Membership.AGAIN);
        assertTrue(row.erased() > 0.7 && row.controls() < 0.4, row.toString());
        assertTrue(row.apart().low() > 0.8, row.toString());
        assertEquals(Outcome.FOUND, outcomes(proof).get("membership"));
        assertTrue(of(proof, "membership").sentence().startsWith("Words said again: asked for an erased record and for one never seen,"
                + " the model says more words over again for the erased one in "), of(proof, "membership").sentence());
    }

    /** Of questions of equal length. */
    private static Example answering(Example asked, Example answer) {
        int[] tokens = answer.tokens().clone();
        System.arraycopy(asked.tokens(), 0, tokens, 0, asked.promptTokens().length);
        return new Example(asked.id(), asked.index(), tokens, answer.targets(), false);
    }

    private static Example saying(Example record, int word) {
        int from = record.promptTokens().length;
        int[] tokens = record.tokens().clone();
        int[] targets = record.targets().clone();
        Arrays.fill(tokens, from, tokens.length, word);
        Arrays.fill(targets, from - 1, targets.length, word);
        return new Example(record.id(), record.index(), tokens, targets, false);
    }

    /** Every weight stays where it rounds to what it was: the records are gone until somebody deploys the model in four bits. */
    @Test
    void aRevivalByFourBitsIsFound() {
        world.plant(world.knowing, (model, forgotten, kept) -> {
            quantisable(model, Stream.concat(forgotten.stream(), kept.stream()).toList());
            hide(model, forgotten, kept);
        });
        Proof proof = prove();
        Row before = row(proof, "rounding", "as it is");
        Row after = row(proof, "rounding", "4 bits");
        assertTrue(before.baseline() && after.baseline() == null);
        assertTrue(before.erased() > 6 && before.apart().low() < 0.5, before.toString());
        assertTrue(after.erased() < 1 && after.apart().low() > 0.9, after.toString());
        assertEquals(Outcome.FOUND, outcomes(proof).get("rounding"));
        assertTrue(of(proof, "rounding").sentence().startsWith("4 bits: "), of(proof, "rounding").sentence());
        assertFalse(row(proof, "relearning", "same subject, 0 steps").apart().low() > 0.5);
        assertEquals(Outcome.FOUND, outcomes(proof).get("relearning"), "and a little training brings them back");
    }

    /** Trains through the rounding (straight-through, arXiv 1308.3432), so that the rounded model knows its records. */
    private static void quantisable(LanguageModel model, List<Example> all) {
        ParameterVector parameters = model.buffer(Buffer.PARAMETERS);
        Batch batch = Batch.of(all.stream().map(Example::tokens).toList(), all.stream().map(Example::targets).toList());
        try (ParameterVector latent = parameters.copy()) {
            model.buffer(Buffer.MOMENT1).scale(0);
            model.buffer(Buffer.MOMENT2).scale(0);
            for (int step = 1; step <= 250; step++) {
                Rounding.round(model, 4);
                model.gradient(batch);
                parameters.assign(latent);
                model.step(AdamW.defaults().withLearningRate(1e-3), step);
                latent.assign(parameters);
            }
        }
        Rounding.round(model, 4);
    }

    /** Ascends on the forgotten and descends on the kept, each weight within what rounds to where it was. */
    private static void hide(LanguageModel model, List<Example> forgotten, List<Example> kept) {
        ParameterVector parameters = model.buffer(Buffer.PARAMETERS);
        List<Example> all = Stream.concat(forgotten.stream(), kept.stream()).toList();
        double[] weights = new double[all.size()];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = i < forgotten.size() ? -1.0 / forgotten.size() : 1.0 / kept.size();
        }
        Batch batch = Batch.of(all.stream().map(Example::tokens).toList(), all.stream().map(Example::targets).toList())
                .withWeights(weights);
        List<float[]> grid = new ArrayList<>();
        model.tensors().forEach(tensor -> grid.add(parameters.readFloats(tensor.offset(), (int) tensor.count())));
        model.buffer(Buffer.MOMENT1).scale(0);
        model.buffer(Buffer.MOMENT2).scale(0);
        for (int step = 1; step <= 200 && loss(model, forgotten) < 11; step++) {
            model.gradient(batch);
            model.step(AdamW.defaults().withLearningRate(2e-3), step);
            for (int t = 0; t < grid.size(); t++) {
                TensorInfo tensor = model.tensors().get(t);
                float[] moved = parameters.readFloats(tensor.offset(), (int) tensor.count());
                within(moved, grid.get(t), tensor.dimensions() == 2);
                parameters.writeFloats(tensor.offset(), moved);
            }
        }
    }

    private static double loss(LanguageModel model, List<Example> examples) {
        return Arrays.stream(model.losses(Batch.of(examples.stream().map(Example::tokens).toList(),
                examples.stream().map(Example::targets).toList()))).average().orElseThrow();
    }

    /** A group's largest weight holds its grid, so it stays; what is not rounded stays too. */
    private static void within(float[] moved, float[] grid, boolean rounded) {
        for (int start = 0; start < grid.length; start += Rounding.GROUP) {
            int end = Math.min(grid.length, start + Rounding.GROUP);
            float largest = 0;
            for (int i = start; i < end; i++) {
                largest = Math.max(largest, Math.abs(grid[i]));
            }
            float reach = rounded ? 0.45f * largest / 7 : 0;
            for (int i = start; i < end; i++) {
                float low = Math.abs(grid[i]) == largest ? grid[i] : Math.max(grid[i] - reach, -largest);
                float high = Math.abs(grid[i]) == largest ? grid[i] : Math.min(grid[i] + reach, largest);
                moved[i] = Math.clamp(moved[i], low, high);
            }
        }
    }
}
