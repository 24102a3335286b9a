/*
 * Fits Kronecker factors to a data set: the first pass, the eigen-decomposition, the second pass, batch by batch at
 * constant memory; and where a run keeps them. Leaves out what the factors are: see KroneckerFactors.
 */
package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.Payloads;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.BiConsumer;
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
        List<Example> drawn = options.samples() == 0 || options.samples() >= examples.size() ? examples
                : DataSample.of(examples, options.samples(), options.seed());
        return Work.run("factors", () -> fitted(model, drawn.size(),
                (factors, batch) -> factors.accumulate(BatchPlan.batch(drawn, batch))));
    }

    /**
     * Factors of what live entries keep of their records, at the weights that these were captured at: the same as {@link #fit} makes there
     * but for what a top-k head dropped, and no pass over data. The caller closes them.
     *
     * @throws IllegalArgumentException where the options ask for targets that the data does not have, or for a sample
     * @throws BadInputException        when the ledger is of another shape, or does not hold the sites with a row a token, as of records
     *                                  longer than an adapter's rank
     */
    public KroneckerFactors fit(LanguageModel model, GradientLedger ledger, List<Entry> entries) {
        EntryFormat format = ledger.format(model);
        if (options.fisher() != Fisher.EMPIRICAL || options.samples() != 0 || entries.isEmpty()) {
            throw new IllegalArgumentException("factors of " + entries.size() + " entries: empirical, and of all that are given");
        }
        SiteSet sites = whole(model, options.sites() == null ? SiteSet.all(model.sites()) : options.sites());
        if (format.rank() != 0 || !format.sites().containsAll(sites)) {
            throw new BadInputException("the ledger holds " + String.join(", ", format.sites().names()) + (format.rank() == 0 ? ""
                    : " by their " + format.rank() + " best rows") + ": curvature of " + String.join(", ", sites.names())
                    + " needs a row a token of each; train with them as sites, and without rank");
        }
        long most = !model.shape().hasAdapters() ? Long.MAX_VALUE : model.sites().stream().filter(sites::contains)
                .mapToLong(site -> Math.min(site.inputs(), site.outputs())).min().orElse(Long.MAX_VALUE);
        if (entries.stream().anyMatch(entry -> entry.header().tokens() > most)) {
            throw new BadInputException("the ledger keeps records longer than an adapter's rank, " + most + ", by their gradients, and"
                    + " curvature needs a row a token: set ledger_curvature to 0");
        }
        return Work.run("factors", () -> fitted(model, entries.size(), (factors, batch) -> {
            try (Payloads held = ledger.payloads(Arrays.stream(batch).mapToObj(entries::get).toList())) {
                model.entries().accumulate(format, held.list(), factors);
            }
        }));
    }

    /** A tied table has one block, of both its sites. */
    static SiteSet whole(LanguageModel model, SiteSet sites) {
        if (!model.shape().tiedHead() || model.shape().hasAdapters()) {
            return sites;
        }
        Set<String> names = new LinkedHashSet<>(sites.names());
        List<String> table = model.sites("embedding").names();
        if (table.stream().anyMatch(names::contains)) {
            names.addAll(table);
        }
        return SiteSet.of(model.sites(), names);
    }

    private KroneckerFactors fitted(LanguageModel model, int count, BiConsumer<KroneckerFactors, int[]> batches) {
        SiteSet sites = options.sites() == null ? SiteSet.all(model.sites()) : options.sites();
        KroneckerFactors factors = model.factors(new KroneckerFactors.Spec(sites, options.fisher(), options.seed()));
        try {
            pass(factors, count, batches, Phase.COVARIANCES);
            Work.check(INTERRUPTED);
            factors.decompose();
            listener.step(Phase.EIGENBASES, 1, 1);
            if (options.corrected()) {
                pass(factors, count, batches, Phase.EIGENVALUES);
            }
            return factors;
        } catch (Throwable e) {
            factors.close();
            throw e;
        }
    }

    private void pass(KroneckerFactors factors, int count, BiConsumer<KroneckerFactors, int[]> add, Phase phase) {
        List<int[]> batches = DataSample.batches(count, options.batchSize());
        for (int i = 0; i < batches.size(); i++) {
            Work.check(INTERRUPTED);
            add.accept(factors, batches.get(i));
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
