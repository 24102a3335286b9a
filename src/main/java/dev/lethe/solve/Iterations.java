package dev.lethe.solve;

import dev.lethe.engine.Work;
import java.util.Arrays;

/** The record of one iteration: its measures, its listener, and the interrupt that ends it. */
final class Iterations {
    private final String solver;
    private final SolverListener listener;
    private double[] measures = new double[16];
    private int count;

    Iterations(String solver, SolverListener listener) {
        this.solver = solver;
        this.listener = listener;
    }

    /** Notes iteration {@code iteration}'s measure; 0 is the start and not told. */
    void note(int iteration, double measure) {
        if (count == measures.length) {
            measures = Arrays.copyOf(measures, 2 * count);
        }
        measures[count++] = measure;
        if (iteration > 0) {
            listener.step(iteration, measure);
        }
    }

    double last() {
        return count == 0 ? Double.NaN : measures[count - 1];
    }

    double[] measures() {
        return Arrays.copyOf(measures, count);
    }

    /** @throws dev.lethe.base.InterruptedWorkException when the thread is interrupted, which it stays */
    void checkInterrupt() {
        Work.check(solver + " was interrupted");
    }

    static void require(boolean holds, String what, Object value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(what + " is " + value + ", must be " + allowed);
        }
    }
}
