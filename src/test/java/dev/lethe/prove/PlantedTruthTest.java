package dev.lethe.prove;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.data.Example;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.TensorInfo;
import dev.lethe.prove.Finding.Outcome;
import dev.lethe.train.FineTune;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
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
        Proof proof = Prover.prove(engine, new ProofRequest(world.erased, List.of(world.retrained), List.of(), null, null, null),
                (_, _, _) -> { });
        proof.findings().forEach(one -> System.out.println(one.attack() + " " + one.outcome() + " " + one.sentence()));
        return proof;
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
        world.plant(world.erased, (_, _, _) -> { });
        Proof proof = prove();
        assertEquals(Map.of("membership", Outcome.NOT_FOUND, "regurgitation", Outcome.NOT_FOUND, "other-wording", Outcome.NOT_FOUND,
                "relearning", Outcome.NOT_FOUND, "rounding", Outcome.NOT_FOUND, "distance", Outcome.TOLD), outcomes(proof));
        assertEquals(Outcome.NOT_FOUND, proof.outcome());
    }

    @Test
    void aModelThatKnowsEverythingFailsEveryAttack() {
        world.plant(world.original, (_, _, _) -> { });
        Proof proof = prove();
        assertEquals(Map.of("membership", Outcome.FOUND, "regurgitation", Outcome.FOUND, "other-wording", Outcome.FOUND, "relearning",
                Outcome.FOUND, "rounding", Outcome.FOUND, "distance", Outcome.TOLD), outcomes(proof));
        assertTrue(of(proof, "regurgitation").sentence().contains(" of 20 records come out word for word"),
                of(proof, "regurgitation").sentence());
        assertEquals(0, row(proof, "distance", "weights, from original").value(), 1e-9);
        assertEquals(0, row(proof, "distance", "KL from original").controls(), 1e-6);
    }
}
