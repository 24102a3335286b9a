package dev.lethe.influence;

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
import dev.lethe.influence.ConjugateGradient.EarlyStop;
import dev.lethe.influence.ConjugateGradient.Solution;
import dev.lethe.influence.ConjugateGradient.Solution.NotConvergedException;
import dev.lethe.influence.ConjugateGradient.Solution.Stop;
import dev.lethe.influence.LinearOperator.PowerIteration;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Tolerance;
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
                assertTrue(solution.residual() <= 1e-11);
            }
        }
    }

    @Test
    void aPreconditionerSparesIterationsAndGivesTheSame() {
        Dense a = spd(1e-4, 10);
        // The exact inverse, disturbed by up to a half: all of A's spread is gone.
        LinearOperator rough = (in, out) -> a.put(out, a.function(a.take(in), v -> (1 + 0.5 * Math.sin(1e3 * v)) / v));
        try (Solution plain = cg(0, 1e-9, 5000).solve(a, b);
                Solution fast = new ConjugateGradient(new ConjugateGradient.Options(0, 1e-9, 5000), rough,
                        EarlyStop.NEVER).solve(a, b)) {
            Tolerance.near("x", a.take(plain.x()), a.take(fast.x()), 1e-5);
            Tolerance.near("x", a.function(a.take(b), v -> 1 / v), a.take(fast.x()), 1e-5);
            assertTrue(fast.iterations() * 4 < plain.iterations(), fast.iterations() + " of " + plain.iterations());
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
        try (Solution early = new ConjugateGradient(options, null, third).solve(a, b)) {
            assertEquals(Stop.SETTLED, early.stop());
            assertTrue(early.converged());
            assertEquals(3, early.iterations());
            assertEquals(seen.getLast(), early.residual());
        }
        try (Solution whole = new ConjugateGradient(options, null, (i, residual, x) -> residual <= 1e-9).solve(a, b)) {
            assertEquals(Stop.CONVERGED, whole.stop(), "the tolerance comes first");
        }
    }

    @Test
    void cgThatRunsOutOfIterationsSaysSo() {
        Dense a = spd(1e-4, 10);
        NotConvergedException e = assertThrows(NotConvergedException.class, () -> cg(0, 1e-8, 5).solve(a, b));
        assertEquals(Stop.ITERATIONS, e.stop());
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
                new ConjugateGradient.Options(0, 1e-8, 10), negative, EarlyStop.NEVER).solve(a, b));
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
        assertTrue(Thread.interrupted(), "the thread stays interrupted");
    }

    // ---- spectrum ---------------------------------------------------------------------------------------------

    @Test
    void powerIterationFindsTheLargestMagnitude() {
        double[] values = spd(0.1, 4).values.clone();
        values[9] = -6;
        Dense a = new Dense(model, values, 3);
        try (PowerIteration.Eigenpair pair = new PowerIteration(1e-9, 1000).attempt(a, b)) {
            assertTrue(pair.converged());
            assertEquals(-6, pair.value(), 1e-8);
            assertEquals(1, pair.vector().norm(), 1e-12);
            double[] exact = Arrays.copyOfRange(a.vectors, 9 * n, 10 * n);
            double[] found = a.take(pair.vector());
            double sign = Math.signum(IntStream.range(0, n).mapToDouble(i -> exact[i] * found[i]).sum());
            Tolerance.near("vector", exact, Arrays.stream(found).map(v -> sign * v).toArray(), 1e-7);
        }
        try (PowerIteration.Eigenpair early = new PowerIteration(1e-9, 3).attempt(a, b)) {
            assertFalse(early.converged());
        }
    }
}
