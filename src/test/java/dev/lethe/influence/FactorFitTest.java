package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.KroneckerFactors.Stage;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.ConjugateGradient.Solution;
import dev.lethe.influence.FactorFit.Options;
import dev.lethe.influence.FactorFit.Phase;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A fit is its two passes over the examples, however they are cut; its inverse preconditions a Fisher solve. */
@ExtendWith(NoLeaks.class)
class FactorFitTest {
    private static final ModelShape SHAPE = new ModelShape(30, 12, 8, 2, 1, 16, 1e-5, true);

    private Engine engine;
    private LanguageModel model;
    private List<Example> examples;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(SHAPE, Dtype.F64);
        model.initialize(3);
        SplittableRandom random = new SplittableRandom(8);
        examples = IntStream.range(0, 11).mapToObj(i -> {
            int[] tokens = random.ints(4 + i % 7, 0, 30).toArray();
            return new Example("r" + i, i, tokens, Batch.shift(tokens, 1), false);
        }).toList();
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    private static Options options(SiteSet sites, boolean corrected, int samples, int batchSize) {
        return new Options(sites, Fisher.EMPIRICAL, corrected, samples, batchSize, 4);
    }

    @Test
    void theCutIntoBatchesDoesNotMatter() {
        List<String> told = new ArrayList<>();
        try (KroneckerFactors threes = new FactorFit(options(null, true, 0, 3),
                (phase, done, total) -> told.add(phase + " " + done + "/" + total)).fit(model, examples);
                KroneckerFactors all = new FactorFit(options(null, true, 0, 100), FactorFit.Listener.NONE)
                        .fit(model, examples);
                ParameterVector a = model.vector(); ParameterVector b = model.vector()) {
            assertEquals(Stage.CORRECTED, threes.stage());
            assertEquals(11, threes.records());
            a.random(ParameterVector.Distribution.NORMAL, 1);
            b.assign(a);
            FactorFit.inverse(threes, 0.01, 0.1).apply(a, a);
            FactorFit.inverse(all, 0.01, 0.1).apply(b, b);
            b.axpy(-1, a);
            assertTrue(b.norm() < 1e-9 * a.norm());
        }
        assertEquals(List.of(Phase.COVARIANCES + " 1/4", Phase.COVARIANCES + " 2/4", Phase.COVARIANCES + " 3/4",
                Phase.COVARIANCES + " 4/4", Phase.EIGENBASES + " 1/1", Phase.EIGENVALUES + " 1/4",
                Phase.EIGENVALUES + " 2/4", Phase.EIGENVALUES + " 3/4", Phase.EIGENVALUES + " 4/4"), told);
    }

    @Test
    void aSubsampleIsSeeded() {
        Options five = options(model.sites("wpe"), false, 5, 2);
        assertEquals(5, FactorFit.DataSample.of(examples, 5, 4).stream().distinct().count());
        assertEquals(FactorFit.DataSample.of(examples, 5, 4), FactorFit.DataSample.of(examples, 5, 4));
        try (KroneckerFactors factors = new FactorFit(five, FactorFit.Listener.NONE).fit(model, examples)) {
            assertEquals(Stage.KRONECKER, factors.stage());
            assertEquals(5, factors.records());
            assertEquals(List.of("wpe"), factors.spec().sites().names());
        }
        assertThrows(IllegalArgumentException.class, () -> options(null, true, -1, 2));
        assertThrows(IllegalArgumentException.class,
                () -> new FactorFit(five, FactorFit.Listener.NONE).fit(model, List.of()));
    }

    @Test
    void anInterruptEndsAFit() {
        Thread.currentThread().interrupt();
        assertThrows(InterruptedWorkException.class,
                () -> new FactorFit(options(null, true, 0, 3), FactorFit.Listener.NONE).fit(model, examples));
        assertTrue(Thread.interrupted());
    }

    /** The empirical Fisher matrix itself, from dense per-record gradients; CG with and without EK-FAC in front of it. */
    @Test
    void theInversePreconditions() {
        List<ParameterVector> gradients = new ArrayList<>();
        SiteSet mlp = model.sites("h.0.mlp.c_fc");
        try (ParameterVector b = model.vector();
                KroneckerFactors factors = new FactorFit(options(mlp, true, 0, 4), FactorFit.Listener.NONE)
                        .fit(model, examples)) {
            for (int i = 0; i < examples.size(); i++) {
                model.gradient(BatchPlan.batch(examples, new int[] {i}));
                gradients.add(model.buffer(Buffer.GRADIENT).copy());
                gradients.getLast().keep(mlp);
            }
            LinearOperator fisher = (in, out) -> {
                out.scale(0);
                for (ParameterVector g : gradients) {
                    out.axpy(g.dot(in) / gradients.size(), g);
                }
            };
            b.random(ParameterVector.Distribution.NORMAL, 1);
            b.keep(mlp);
            double damping = 1e-4;
            ConjugateGradient.Options options = new ConjugateGradient.Options(damping, 1e-8, 500);
            try (Solution plain = new ConjugateGradient(options).solve(fisher, b);
                    Solution fast = new ConjugateGradient(options, FactorFit.inverse(factors, damping, 0),
                            ConjugateGradient.EarlyStop.NEVER).solve(fisher, b);
                    ParameterVector difference = plain.x().copy()) {
                difference.axpy(-1, fast.x());
                assertTrue(difference.norm() < 1e-5 * plain.x().norm());
                // The preconditioner of one matrix in its own eigenbasis is exact where the Fisher matrix is diagonal.
                assertTrue(fast.iterations() <= 3 * plain.iterations());
            }
        } finally {
            gradients.forEach(ParameterVector::close);
        }
    }
}
