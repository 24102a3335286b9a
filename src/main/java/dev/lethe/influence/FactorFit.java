/*
 * Fits Kronecker factors to a data set: the first pass, the eigen-decomposition, the second pass, batch by batch at
 * constant memory; and where a run keeps them. Leaves out what the factors are: see KroneckerFactors.
 */
package dev.lethe.influence;

import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.shape.SiteSet;
import dev.lethe.solve.LinearOperator;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/** How factors are made of examples. Immutable; the model's thread waits while a thread of Lethe's fits. */
public final class FactorFit {
    private static final String INTERRUPTED = "fitting factors was interrupted";

    private final Options options;
    private final Listener listener;

    /** Hears how far a fit is, on the fitting thread. */
    @FunctionalInterface
    public interface Listener {
        /** Hears nothing. */
        Listener NONE = (phase, done, total) -> { };

        /** @param done of {@code total} batches; a decomposition counts as one */
        void step(Phase phase, int done, int total);
    }

    /** What a fit is doing. */
    public enum Phase { COVARIANCES, EIGENBASES, EIGENVALUES }

    /**
     * @param sites     whose tensors have a block; null for all
     * @param fisher    of the data's own targets or of targets drawn from the model
     * @param corrected whether to make EK-FAC by a second pass, or leave it at K-FAC
     * @param samples   at most so many examples, drawn by the seed; 0 for all
     * @param batchSize examples a pass
     * @param seed      of the examples and targets drawn
     */
    public record Options(SiteSet sites, Fisher fisher, boolean corrected, int samples, int batchSize, long seed) {
        public Options {
            Objects.requireNonNull(fisher, "fisher");
            if (samples < 0 || batchSize < 1) {
                throw new IllegalArgumentException("factors of " + samples + " examples in batches of " + batchSize
                        + ": samples must be 0 (all) or more, the batch at least 1");
            }
        }
    }

    public FactorFit(Options options, Listener listener) {
        this.options = options;
        this.listener = listener;
    }

    /** Where a run keeps its factors; see {@link SavedFactors}. */
    public static Path file(Path run) {
        return run.resolve("factors").resolve("ekfac.bin");
    }

    /**
     * Passes over the examples and returns the factors at the model's present weights; the caller closes them.
     *
     * @throws dev.lethe.base.EngineException          NOT_FINITE naming the record or the site
     * @throws dev.lethe.base.InterruptedWorkException when the thread is interrupted
     */
    public KroneckerFactors fit(LanguageModel model, List<Example> examples) {
        if (examples.isEmpty()) {
            throw new IllegalArgumentException("factors need at least one example");
        }
        return Work.run("factors", () -> fitted(model, examples));
    }

    private KroneckerFactors fitted(LanguageModel model, List<Example> examples) {
        SiteSet sites = options.sites() == null ? SiteSet.all(model.sites()) : options.sites();
        List<Example> drawn = options.samples() == 0 || options.samples() >= examples.size() ? examples
                : DataSample.of(examples, options.samples(), options.seed());
        KroneckerFactors factors = model.factors(new KroneckerFactors.Spec(sites, options.fisher(), options.seed()));
        try {
            pass(factors, drawn, Phase.COVARIANCES);
            Work.check(INTERRUPTED);
            factors.decompose();
            listener.step(Phase.EIGENBASES, 1, 1);
            if (options.corrected()) {
                pass(factors, drawn, Phase.EIGENVALUES);
            }
            return factors;
        } catch (Throwable e) {
            factors.close();
            throw e;
        }
    }

    private void pass(KroneckerFactors factors, List<Example> examples, Phase phase) {
        List<int[]> batches = DataSample.batches(examples.size(), options.batchSize());
        for (int i = 0; i < batches.size(); i++) {
            Work.check(INTERRUPTED);
            factors.accumulate(BatchPlan.batch(examples, batches.get(i)));
            listener.step(phase, i + 1, batches.size());
        }
    }

    /** (F + shift I)^-1 as an operator: the inverse of the {@code ekfac} score, and a preconditioner for CG. */
    public static LinearOperator inverse(KroneckerFactors factors, double damping, double relative) {
        return (in, out) -> factors.apply(damping, relative, -1, in, out);
    }

    /** Pieces of a data set that a pass over it takes: a seeded subsample, and neighbours in batches. */
    static final class DataSample {
        private DataSample() {
        }

        /** {@code count} of the examples by a shuffle that depends on the seed only, in the data's order. */
        static List<Example> of(List<Example> examples, int count, long seed) {
            int[] chosen = BatchPlan.epoch(examples, count, seed, 0).getFirst();
            Arrays.sort(chosen);
            return Arrays.stream(chosen).mapToObj(examples::get).toList();
        }

        /** Positions 0 to count - 1 in pieces of at most {@code size}. */
        static List<int[]> batches(int count, int size) {
            List<int[]> batches = new ArrayList<>();
            for (int from = 0; from < count; from += size) {
                batches.add(IntStream.range(from, Math.min(count, from + size)).toArray());
            }
            return batches;
        }
    }
}
