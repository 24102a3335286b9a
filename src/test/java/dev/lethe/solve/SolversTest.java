package dev.lethe.solve;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.ParameterVector.Distribution;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Tolerance;
import dev.lethe.solve.ConjugateGradient.EarlyStop;
import dev.lethe.solve.Hutchinson.TraceEstimate;
import dev.lethe.solve.LinearOperator.SampledOperator;
import dev.lethe.solve.Solution.NotConvergedException;
import dev.lethe.solve.Solution.Stop;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Every solver against dense matrices whose eigenvalues are known; and every way in which each can fail. */
@ExtendWith(NoLeaks.class)
class SolversTest {
    private static final ModelShape TINY = new ModelShape(7, 4, 4, 2, 1, 6, 1e-5, true);

    private Engine engine;
    private LanguageModel model;
    private ParameterVector b;
    private int n;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(TINY, Dtype.F64);
        n = Dense.parameters(model);
        b = model.vector();
        b.random(Distribution.NORMAL, 1);
    }

    @AfterEach
    void close() {
        b.close();
        model.close();
        engine.close();
    }

    /** Eigenvalues from {@code first} to {@code last}, evenly spread in their logarithm. */
    private Dense spd(double first, double last) {
        return new Dense(model, IntStream.range(0, n).mapToDouble(i -> first * Math.pow(last / first, i / (n - 1.0)))
                .toArray(), 3);
    }

    private static ConjugateGradient cg(double damping, double tolerance, int iterations) {
        return new ConjugateGradient(new ConjugateGradient.Options(damping, tolerance, iterations));
    }

    // ---- conjugate gradients ----------------------------------------------------------------------------------

    @Test
    void cgSolvesWhatADenseSolveSolves() {
        Dense a = spd(1e-2, 10);
        for (double damping : new double[] {0, 0.3}) {
            try (Solution solution = cg(damping, 1e-11, 2000).solve(a, b)) {
                double[] exact = a.function(a.take(b), value -> 1 / (value + damping));
                Tolerance.near("x", exact, a.take(solution.x()), 1e-9);
                assertTrue(solution.converged());
                assertEquals(Stop.CONVERGED, solution.stop());
                assertEquals(solution.iterations() + 1, solution.residuals().length);
                assertEquals(1, solution.residuals()[0]);
                assertTrue(solution.residual() <= 1e-11);
            }
        }
    }

    @Test
    void aPreconditionerSparesIterationsAndGivesTheSame() {
        Dense a = spd(1e-4, 10);
        // The exact inverse, disturbed by up to a half: all of A's spread is gone.
        LinearOperator rough = (in, out) -> a.put(out, a.function(a.take(in), v -> (1 + 0.5 * Math.sin(1e3 * v)) / v));
        List<Integer> told = new ArrayList<>();
        try (Solution plain = cg(0, 1e-9, 5000).solve(a, b);
                Solution fast = new ConjugateGradient(new ConjugateGradient.Options(0, 1e-9, 5000), rough,
                        EarlyStop.NEVER, (iteration, residual) -> told.add(iteration)).solve(a, b)) {
            Tolerance.near("x", a.take(plain.x()), a.take(fast.x()), 1e-5);
            Tolerance.near("x", a.function(a.take(b), v -> 1 / v), a.take(fast.x()), 1e-5);
            assertTrue(fast.iterations() * 4 < plain.iterations(), fast.iterations() + " of " + plain.iterations());
            assertEquals(IntStream.rangeClosed(1, fast.iterations()).boxed().toList(), told);
        }
    }

    @Test
    void cgEndsWhenItsIterateWillDo() {
        Dense a = spd(1e-2, 10);
        List<Double> seen = new ArrayList<>();
        EarlyStop third = (iteration, residual, x) -> {
            assertEquals(seen.size() + 1, iteration);
            ParameterVector back = x.zeros();
            try (back) {
                a.apply(x, back);
                back.combine(-1, 1, b);
                assertEquals(residual, back.norm() / b.norm(), 1e-10, "the residual told is x's");
            }
            seen.add(residual);
            return iteration == 3;
        };
        ConjugateGradient.Options options = new ConjugateGradient.Options(0, 1e-9, 2000);
        try (Solution early = new ConjugateGradient(options, null, third, SolverListener.NONE).solve(a, b)) {
            assertEquals(Stop.SETTLED, early.stop());
            assertTrue(early.converged());
            assertEquals(3, early.iterations());
            assertEquals(seen.getLast(), early.residual());
        }
        try (Solution whole = new ConjugateGradient(options, null, (i, residual, x) -> residual <= 1e-9,
                SolverListener.NONE).solve(a, b)) {
            assertEquals(Stop.CONVERGED, whole.stop(), "the tolerance comes first");
        }
    }

    @Test
    void cgThatRunsOutOfIterationsSaysSo() {
        Dense a = spd(1e-4, 10);
        NotConvergedException e = assertThrows(NotConvergedException.class, () -> cg(0, 1e-8, 5).solve(a, b));
        assertEquals(Stop.ITERATIONS, e.stop());
        assertEquals(5, e.iterations());
        assertTrue(e.getMessage().matches("CG did not converge: relative residual \\d\\.\\d+ after 5 iterations: allow more"
                + " iterations, use a preconditioner, or raise the damping \\(it is 0.0\\)"), e.getMessage());
        try (Solution partial = cg(0, 1e-8, 5).attempt(a, b)) {
            assertFalse(partial.converged());
            assertTrue(partial.x().norm() > 0, "the last iterate is there for who asks for it");
        }
    }

    @Test
    void negativeCurvatureIsFoundAndExplained() {
        double[] values = spd(0.1, 10).values.clone();
        values[3] = -0.5;
        Dense a = new Dense(model, values, 3);
        NotConvergedException e = assertThrows(NotConvergedException.class, () -> cg(0, 1e-8, 5000).solve(a, b));
        assertEquals(Stop.NEGATIVE_CURVATURE, e.stop());
        assertTrue(e.getMessage().contains("is not positive definite") && e.getMessage().contains("Gauss-Newton")
                && e.getMessage().contains("damping above"), e.getMessage());
        try (Solution damped = cg(0.6, 1e-10, 5000).solve(a, b)) {
            Tolerance.near("x", a.function(a.take(b), v -> 1 / (v + 0.6)), a.take(damped.x()), 1e-8);
        }
    }

    @Test
    void breakdownsOfCg() {
        Dense a = spd(0.1, 10);
        LinearOperator negative = (in, out) -> out.combine(0, -1, in);
        NotConvergedException preconditioner = assertThrows(NotConvergedException.class, () -> new ConjugateGradient(
                new ConjugateGradient.Options(0, 1e-8, 10), negative, EarlyStop.NEVER, SolverListener.NONE).solve(a, b));
        assertEquals(Stop.BREAKDOWN, preconditioner.stop());
        assertTrue(preconditioner.getMessage().contains("preconditioner is not positive definite"));
        LinearOperator broken = (in, out) -> out.writeDoubles(0, new double[] {Double.NaN});
        assertEquals(Stop.BREAKDOWN,
                assertThrows(NotConvergedException.class, () -> cg(0, 1e-8, 10).solve(broken, b)).stop());
        // fp32 cannot reach 1e-12: the recurrence claims it, the true residual denies it.
        try (LanguageModel narrow = engine.model(TINY, Dtype.F32); ParameterVector right = narrow.vector()) {
            right.random(Distribution.NORMAL, 1);
            Dense rounded = new Dense(narrow, spd(1e-3, 10).values, 3);
            NotConvergedException precision = assertThrows(NotConvergedException.class,
                    () -> cg(0, 1e-12, 5000).solve(rounded, right));
            assertEquals(Stop.BREAKDOWN, precision.stop());
            assertTrue(precision.getMessage().contains("F32 numbers allow no more"), precision.getMessage());
        }
        try (ParameterVector zero = b.zeros(); Solution none = cg(0, 1e-8, 1).solve(a, zero)) {
            assertEquals(0, none.iterations());
            assertEquals(0, none.x().norm());
        }
        assertThrows(IllegalArgumentException.class, () -> new ConjugateGradient.Options(-1, 1e-8, 10));
        assertThrows(IllegalArgumentException.class, () -> new ConjugateGradient.Options(0, 0, 10));
    }

    @Test
    void anInterruptEndsASolver() {
        Dense a = spd(0.1, 10);
        Thread.currentThread().interrupt();
        assertThrows(InterruptedWorkException.class, () -> cg(0, 1e-8, 10).solve(a, b));
        assertThrows(InterruptedWorkException.class, () -> new Lanczos(1e-6, 10, true, SolverListener.NONE).extremes(a, b));
        assertTrue(Thread.interrupted(), "the thread stays interrupted");
    }

    // ---- LiSSA ------------------------------------------------------------------------------------------------

    private static Lissa lissa(double damping, double scale, int depth, int repeats, double tolerance) {
        return new Lissa(new Lissa.Options(damping, scale, depth, repeats, tolerance), SolverListener.NONE);
    }

    @Test
    void lissaIsTheInverse() {
        Dense a = spd(0.2, 4);
        try (Solution solution = lissa(0.1, 4.2, 2000, 1, 1e-10).solve(SampledOperator.whole(a), b)) {
            Tolerance.near("x", a.function(a.take(b), v -> 1 / (v + 0.1)), a.take(solution.x()), 1e-9);
            assertEquals(a.products, solution.iterations());
            assertEquals(solution.iterations() + 1, solution.residuals().length);
        }
    }

    @Test
    void lissaAveragesSamples() {
        Dense a = spd(0.5, 2);
        // Draws alternate between 1.5 A and A / 2; repeats of even depth see both alike.
        SampledOperator sampled = (draw, in, out) -> {
            a.apply(in, out);
            out.scale(draw % 2 == 0 ? 1.3 : 0.7);
        };
        try (Solution solution = lissa(0, 40, 1500, 4, 1e-8).attempt(sampled, b)) {
            assertEquals(Stop.ITERATIONS, solution.stop(), "samples that differ leave a floor under the residual");
            assertEquals(4 * 1500, solution.iterations());
            Tolerance.near("x", a.function(a.take(b), v -> 1 / v), a.take(solution.x()), 0.02);
        }
    }

    @Test
    void lissaDivergesAloud() {
        Dense a = spd(0.5, 4);
        NotConvergedException small = assertThrows(NotConvergedException.class,
                () -> lissa(0, 1.5, 1000, 1, 1e-8).solve(SampledOperator.whole(a), b));
        assertEquals(Stop.DIVERGED, small.stop());
        assertTrue(small.iterations() < 100, "early: after " + small.iterations());
        assertTrue(small.getMessage().contains("raise the scale (it is 1.500)"), small.getMessage());
        double[] values = a.values.clone();
        values[0] = -1;
        Dense indefinite = new Dense(model, values, 3);
        assertEquals(Stop.DIVERGED, assertThrows(NotConvergedException.class,
                () -> lissa(0, 5, 1000, 1, 1e-8).solve(SampledOperator.whole(indefinite), b)).stop());
        NotConvergedException shallow = assertThrows(NotConvergedException.class,
                () -> lissa(0, 5, 3, 1, 1e-8).solve(SampledOperator.whole(a), b));
        assertEquals(Stop.ITERATIONS, shallow.stop());
        assertTrue(shallow.getMessage().contains("allow more depth than 3"), shallow.getMessage());
    }

    // ---- trace and spectrum -----------------------------------------------------------------------------------

    @Test
    void hutchinsonIsTheTraceWithinItsError() {
        Dense a = spd(0.1, 10);
        double trace = Arrays.stream(a.values).sum();
        for (Distribution distribution : Distribution.values()) {
            Hutchinson hutchinson = new Hutchinson(new Hutchinson.Options(400, 0, distribution, 5, null),
                    SolverListener.NONE);
            TraceEstimate estimate = hutchinson.trace(a, b);
            assertEquals(trace, estimate.trace(), 4 * estimate.standardError(), distribution.name());
            assertTrue(estimate.standardError() < 0.05 * trace);
            assertEquals(400, estimate.samples().length);
            assertArrayEquals(estimate.samples(), hutchinson.trace(a, b).samples(), "the same seed, the same samples");
        }
        // A block's trace: outside of the sites z is zero.
        LinearOperator sevens = (in, out) -> out.combine(0, 7, in);
        TraceEstimate block = new Hutchinson(new Hutchinson.Options(2, 0, Distribution.RADEMACHER, 5,
                model.sites("h.0.ln_1")), SolverListener.NONE).trace(sevens, b);
        assertEquals(7 * 2 * 4, block.trace());
        assertEquals(0, block.standardError());
    }

    @Test
    void hutchinsonStopsAtTheErrorAskedForOrThrows() {
        Dense a = spd(0.1, 10);
        TraceEstimate early = new Hutchinson(new Hutchinson.Options(1000, 0.05, Distribution.RADEMACHER, 5, null),
                SolverListener.NONE).trace(a, b);
        assertTrue(early.samples().length < 1000 && early.standardError() <= 0.05 * early.trace());
        NotConvergedException e = assertThrows(NotConvergedException.class, () -> new Hutchinson(
                new Hutchinson.Options(3, 1e-6, Distribution.NORMAL, 5, null), SolverListener.NONE).trace(a, b));
        assertTrue(e.getMessage().endsWith("after 3 samples: draw more samples or ask for a larger relative error"),
                e.getMessage());
    }

    @Test
    void lanczosFindsBothEnds() {
        double[] values = spd(0.1, 10).values.clone();
        values[5] = -2.5;
        Dense a = new Dense(model, values, 3);
        for (boolean keepBasis : new boolean[] {true, false}) {
            Lanczos.Spectrum spectrum = new Lanczos(1e-9, 400, keepBasis, SolverListener.NONE).extremes(a, b);
            assertEquals(-2.5, spectrum.smallest(), 1e-7);
            assertEquals(10, spectrum.largest(), 1e-7);
            assertTrue(Math.max(spectrum.smallestError(), spectrum.largestError()) <= 1e-8);
            assertTrue(spectrum.iterations() < n);
        }
        NotConvergedException e = assertThrows(NotConvergedException.class,
                () -> new Lanczos(1e-9, 4, true, SolverListener.NONE).extremes(a, b));
        assertTrue(e.getMessage().startsWith("Lanczos did not converge: eigenvalues "), e.getMessage());
        Lanczos.Spectrum bounds = new Lanczos(1e-9, 4, true, SolverListener.NONE).attempt(a, b);
        assertFalse(bounds.converged());
        double nearest = Arrays.stream(values).map(v -> Math.abs(v - bounds.largest())).min().orElseThrow();
        assertTrue(nearest <= bounds.largestError(), "the bound holds before convergence, too");
    }

    @Test
    void lanczosEndsWhereTheSpaceDoes() {
        LinearOperator threes = (in, out) -> out.combine(0, 3, in);
        Lanczos.Spectrum spectrum = new Lanczos(1e-9, 10, true, SolverListener.NONE).extremes(threes, b);
        assertEquals(1, spectrum.iterations());
        assertEquals(3, spectrum.smallest(), 1e-12);
        assertEquals(3, spectrum.largest(), 1e-12);
    }

    @Test
    void powerIterationFindsTheLargestMagnitude() {
        double[] values = spd(0.1, 4).values.clone();
        values[9] = -6;
        Dense a = new Dense(model, values, 3);
        try (PowerIteration.Eigenpair pair = new PowerIteration(1e-9, 1000, SolverListener.NONE).solve(a, b)) {
            assertEquals(-6, pair.value(), 1e-8);
            assertEquals(1, pair.vector().norm(), 1e-12);
            double[] exact = Arrays.copyOfRange(a.vectors, 9 * n, 10 * n);
            double[] found = a.take(pair.vector());
            double sign = Math.signum(IntStream.range(0, n).mapToDouble(i -> exact[i] * found[i]).sum());
            Tolerance.near("vector", exact, Arrays.stream(found).map(v -> sign * v).toArray(), 1e-7);
        }
        NotConvergedException e = assertThrows(NotConvergedException.class,
                () -> new PowerIteration(1e-9, 3, SolverListener.NONE).solve(a, b));
        assertTrue(e.getMessage().contains("after 3 iterations: allow more, or use Lanczos"), e.getMessage());
    }
}
