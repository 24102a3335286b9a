package dev.lethe.strategy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.Golden;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.objective.Alternates;
import dev.lethe.objective.CrossEntropyUnlearning;
import dev.lethe.objective.EraseData;
import dev.lethe.objective.GradientDifference;
import dev.lethe.objective.KlMinimisation;
import dev.lethe.objective.Npo;
import dev.lethe.objective.Objective;
import dev.lethe.objective.Preference;
import dev.lethe.objective.PrimalDual;
import dev.lethe.objective.Rmu;
import dev.lethe.objective.SatImp;
import dev.lethe.objective.SimNpo;
import dev.lethe.objective.Undial;
import dev.lethe.objective.WeightedAscent;
import dev.lethe.objective.WeightedLoss;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.Parameter;
import dev.lethe.settings.Tuning;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.Tolerance;
import dev.lethe.strategy.Ascent.TaskVector;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune;
import dev.lethe.train.SharedModel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Each comparator's gradient, step or direction against autograd's of its paper's formula (golden/objectives.py), in fp64. */
@ExtendWith(NoLeaks.class)
class ObjectiveTest {
    private final Golden weights = Golden.of("tied");
    private final Golden golden = Golden.of("objectives");
    private final Tuning tuning = new Tuning(Map.of(Parameter.RETAIN_WEIGHT, golden.number("alpha"),
            Parameter.FORGET_WEIGHT, golden.number("gamma"), Parameter.BETA, golden.number("beta"), Parameter.DELTA, golden.number("delta"),
            Parameter.BETA2, 0.0, Parameter.DUAL_RATE, 0.0, Parameter.BLOCK, -1.0));
    private final List<Example> forget = examples("forget");
    private final List<Example> retain = examples("retain");
    private Engine engine;
    private LanguageModel model;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = weights.model(engine, Dtype.F64);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    private List<Example> examples(String group) {
        List<Example> examples = new ArrayList<>();
        for (double index : golden.doubles(group)) {
            int i = (int) index;
            examples.add(new Example("record" + i, i, weights.arrays("tokens").get(i), weights.arrays("targets").get(i), false));
        }
        return examples;
    }

    /** The weights that the reference was trained on from: the model has moved away from it. */
    private void move() {
        model.buffer(Buffer.PARAMETERS).writeDoubles(0, weights.flat("adamw", model));
    }

    private void check(String name, Objective objective) {
        move();
        double value = objective.gradient(forget, objective.usesRetain() ? retain : List.of());
        assertEquals(golden.numbers().get("values").get(name).asDouble(), value, 1e-9 * Math.abs(value), name + "'s value");
        Tolerance.near(name, golden.flat(name, model), model.buffer(Buffer.GRADIENT).readDoubles(0, (int) model.flatSize()),
                Tolerance.PARITY_F64);
    }

    @Test
    void gradientAscent() {
        check("grad-ascent", new GradientDifference(model, tuning.with(Parameter.RETAIN_WEIGHT, 0)));
    }

    @Test
    void gradientDifference() {
        check("grad-diff", new GradientDifference(model, tuning));
    }

    @Test
    void negativePreferenceOptimisation() {
        check("npo", new Npo(model, forget, tuning));
    }

    @Test
    void simpleNegativePreferenceOptimisation() {
        check("simnpo", new SimNpo(model, tuning));
    }

    @Test
    void klMinimisation() {
        try (Objective kl = new KlMinimisation(engine, model, tuning)) {
            check("kl", kl);
        }
    }

    @Test
    void representationMisdirection() {
        try (Objective rmu = new Rmu(engine, model, tuning.with(Parameter.BLOCK, (int) golden.number("block")),
                golden.doubles("direction"))) {
            check("rmu", rmu);
        }
    }

    @Test
    void weightedGradientAscent() {
        check("wga", new WeightedAscent(model, tuning));
    }

    @Test
    void saturationAndImportance() {
        check("satimp", new SatImp(model, tuning.with(Parameter.BETA2, golden.number("beta2"))));
    }

    @Test
    void distillationTowardAdjustedLogits() {
        try (Objective undial = new Undial(engine, model, tuning.with(Parameter.BETA, golden.number("penalty")))) {
            check("undial", undial);
        }
    }

    @Test
    void crossEntropyUnlearning() {
        check("ce-u", new CrossEntropyUnlearning(model, tuning));
    }

    @Test
    void primalDual() {
        PrimalDual pdu = new PrimalDual(model, tuning.with(Parameter.DUAL_RATE, 2), golden.number("epsilon"));
        check("pdu", pdu);
        double first = golden.numbers().get("values").get("pdu").asDouble();
        double over = SetLoss.mean(model, retain) - golden.number("epsilon");
        assertEquals(first + 2 * over * over, pdu.gradient(forget, retain), 1e-9, "its price after a step");
        PrimalDual free = new PrimalDual(model, tuning.with(Parameter.DUAL_RATE, 1e9), 1e9); // a bound that nothing breaks: its price is none
        free.gradient(forget, retain);
        double flat = free.gradient(forget, retain);
        assertEquals(first - golden.number("alpha") * over, flat, 1e-9, "flatness alone");
        assertEquals(flat, free.gradient(forget, retain), 0);
    }

    @Test
    void preferenceForAnotherAnswer() {
        List<Example> others = examples("alternates");
        Map<String, List<Example>> each = new HashMap<>();
        for (int b = 0; b < forget.size(); b++) {
            each.put(forget.get(b).id(), List.of(others.get(b)));
        }
        try (Objective dpo = new Preference(engine, model, new Alternates(each), tuning)) {
            check("dpo", dpo);
        }
    }

    /** A record that nothing of is learned changes nothing. */
    @Test
    void recordsWithoutTargets() {
        move();
        int[] none = {dev.lethe.engine.Batch.IGNORE, dev.lethe.engine.Batch.IGNORE};
        Example silent = new Example("silent", 9, new int[] {1, 2}, none, false);
        List<Example> more = new ArrayList<>(forget);
        more.add(1, silent);
        try (Undial undial = new Undial(engine, model, tuning); KlMinimisation kl = new KlMinimisation(engine, model, tuning)) {
            for (Objective one : List.of(new WeightedAscent(model, tuning), new SatImp(model, tuning), undial, kl,
                    new CrossEntropyUnlearning(model, tuning), new PrimalDual(model, tuning.with(Parameter.DUAL_RATE, 0), 1))) {
                List<Example> kept = one.usesRetain() ? retain : List.of();
                double value = one.gradient(forget, kept);
                assertEquals(value, one.gradient(more, kept), 1e-12 * Math.abs(value), one.getClass().getSimpleName());
            }
        }
    }

    /** Tokens that the model is certain of have no odds in fp32: no weight is infinite, and what comes out is a number. */
    @Test
    void certainTokens() {
        move();
        model.buffer(Buffer.PARAMETERS).scale(200);
        for (Objective one : List.of(new CrossEntropyUnlearning(model, tuning), new SatImp(model, tuning.with(Parameter.BETA2, 0.5)),
                new WeightedAscent(model, tuning))) {
            assertTrue(Double.isFinite(one.gradient(forget, retain)), one.getClass().getSimpleName());
            try (ParameterVector gradient = model.buffer(Buffer.GRADIENT).copy()) {
                assertTrue(Double.isFinite(gradient.norm()), one.getClass().getSimpleName());
            }
        }
    }

    @Test
    void aStepOnAnObjectiveIsTorchs() {
        Npo npo = new Npo(model, forget, tuning);
        move();
        AdamW options = new AdamW(golden.number("rate"), 0.9, 0.999, 1e-8, 0.1, 1);
        ObjectiveLoop.ObjectiveSteps steps = new ObjectiveLoop.ObjectiveSteps(model, options, model.sites("all"));
        npo.gradient(forget, retain);
        try (ParameterVector before = model.buffer(Buffer.PARAMETERS).copy()) {
            steps.step(golden.number("rate"));
            checkMove("npo-step", before, 1);
        }
    }

    @Test
    void taskVectors() {
        move();
        AdamW options = new AdamW(golden.number("rate"), 0.9, 0.999, 1e-8, 0.1, 1);
        FineTune tuned = new FineTune(model, forget, new FineTune.Options(forget.size(), options, null, 0));
        double[] before = model.buffer(Buffer.PARAMETERS).readDoubles(0, (int) model.flatSize());
        try (ParameterVector direction = model.vector()) {
            new TaskVector(model, tuned, (int) golden.number("tune_steps")).compute(direction);
            Tolerance.near("task vector", golden.flat("task-vector", model),
                    direction.readDoubles(0, (int) model.flatSize()), 1e-8);
        }
        assertEquals(0, Tolerance.relative(before, model.buffer(Buffer.PARAMETERS).readDoubles(0, before.length)));
    }

    @Test
    void aDirectionInPartsTakesEveryRecordOnceBeforeAnyAgain() {
        try (ParameterVector whole = model.vector();
             ParameterVector part = model.vector();
             ParameterVector sum = model.vector()) {
            new FreshDirection(SharedModel.alone(model), forget).compute(whole);
            FreshDirection parts = FreshDirection.inParts(SharedModel.alone(model), forget, 1, 5);
            for (int cycle = 1; cycle <= 2; cycle++) {
                for (int i = 0; i < forget.size(); i++) {
                    parts.compute(part);
                    sum.axpy(1, part);
                }
                assertEquals(cycle * whole.dot(whole), sum.dot(whole), 1e-9 * whole.dot(whole), "cycle " + cycle);
            }
            int size = (int) model.flatSize();
            sum.scale(0.5);
            Tolerance.near("two cycles", whole.readDoubles(0, size), sum.readDoubles(0, size), 1e-9);
            FreshDirection.inParts(SharedModel.alone(model), forget, forget.size(), 5).compute(part);
            Tolerance.near("one part", whole.readDoubles(0, size), part.readDoubles(0, size), 1e-12);
        }
    }

    /** Its factors and their inverse have goldens of their own (golden/kfac.py); here, that it is the inverse of theirs. */
    @Test
    void gaussNewtonSolvesForTheGradient() {
        EraseData data = new EraseData(forget, forget, retain, retain, List.of(), List.of(), List.of());
        double damping = 0.05;
        try (GaussNewton uphill = new GaussNewton(SharedModel.alone(model), data,
                     GaussNewton.passes(model, model.sites("all"), data, 0, 3), damping);
             ParameterVector direction = model.vector();
             ParameterVector gradient = model.vector();
             ParameterVector back = model.vector();
             var factors = new dev.lethe.influence.FactorFit(new dev.lethe.influence.FactorFit.Options(model.sites("all"),
                     Fisher.SAMPLED, true, 0, 8, 3), dev.lethe.influence.FactorFit.Listener.NONE).fit(model, retain)) {
            uphill.compute(direction);
            new FreshDirection(SharedModel.alone(model), forget).compute(gradient);
            factors.apply(damping, 0, 1, direction, back);
            int size = (int) model.flatSize();
            Tolerance.near("(C + lambda) D", gradient.readDoubles(0, size), back.readDoubles(0, size), 1e-8);
            assertTrue(direction.dot(gradient) > 0, "uphill");
        }
    }

    /** Worked by hand: one record of two targets at mean loss 1.5, before 1.0; beta 0.5. */
    @Test
    void weightsByHand() {
        double rise = 0.5 * 2 * (1.5 - 1.0);                     // beta times the fall of log p, 0.5
        assertEquals(1 / (1 + Math.exp(0.5)), WeightedLoss.sigmoid(-rise), 1e-15);
        assertEquals(0.3775406687981454, WeightedLoss.sigmoid(-rise), 1e-15);
        assertEquals(-0.4740769841801067, WeightedLoss.logSigmoid(rise), 1e-15);
        assertEquals(-800, WeightedLoss.logSigmoid(-800), 1e-9);
        assertEquals(0, WeightedLoss.logSigmoid(800), 0);
        double[] shares = WeightedLoss.shares(forget);
        int first = forget.get(0).targetCount();
        int second = forget.get(1).targetCount();
        assertEquals((double) first / (first + second), shares[0], 1e-15);
    }

    private void checkMove(String name, ParameterVector before, double sign) {
        try (ParameterVector moved = model.buffer(Buffer.PARAMETERS).copy()) {
            moved.axpy(-1, before);
            moved.scale(sign);
            Tolerance.near(name, golden.flat(name, model), moved.readDoubles(0, (int) model.flatSize()), 1e-8);
        }
    }
}
