package dev.lethe.solve;

/** Told after every iteration, on the solver's thread. */
@FunctionalInterface
public interface SolverListener {
    /** Hears nothing. */
    SolverListener NONE = (iteration, measure) -> { };

    /**
     * @param iteration counts from 1
     * @param measure   what the solver drives to its tolerance: relative residual, standard error or change
     */
    void step(int iteration, double measure);
}
