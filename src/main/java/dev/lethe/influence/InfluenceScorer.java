/*
 * Scores of training records on a query, in one pass over a ledger and without a dense gradient: blocks of entries of
 * bounded size are scored by native code on the caller's thread while the next block is read and checked on another.
 * Leaves out inverse Hessians (cg, lissa): those are methods of their own.
 */
package dev.lethe.influence;

import dev.lethe.data.BatchPlan;
import dev.lethe.data.Example;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.RecordKey;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;

/**
 * Influence of captured records. Confined to the model's thread; an interrupt ends a pass between two blocks with
 * {@link CancellationException} and leaves the thread interrupted. Owns nothing and so is not closed.
 */
public final class InfluenceScorer {
    private static final int LARGEST_BLOCK = 4096; // entries

    private final LanguageModel model;
    private final ScoreOptions options;

    /** A block's entries, read and checked. */
    private record Block(List<Entry> entries, List<MemorySegment> payloads) {}

    public InfluenceScorer(LanguageModel model, ScoreOptions options) {
        this.model = model;
        this.options = options;
    }

    /**
     * g_q of a query: the mean, over the examples, of the gradients of their own mean token losses, at the model's
     * present weights. The caller closes it. Overwrites the model's gradient buffer.
     *
     * @param batchSize examples a pass
     */
    public ParameterVector query(List<Example> examples, int batchSize) {
        if (examples.isEmpty()) throw new IllegalArgumentException("a query needs at least one example");
        boolean first = true;
        for (int[] indices : batches(examples.size(), batchSize)) {
            double[] weights = new double[indices.length];
            Arrays.fill(weights, 1.0 / examples.size());
            Batch batch = BatchPlan.batch(examples, indices).withWeights(weights);
            model.gradient(batch, !first, null);
            first = false;
        }
        return model.copy(Buffer.GRADIENT);
    }

    /** &lt;g_q, g_i&gt; of every entry of the ledger, in its order; destroyed entries are passed over. */
    public List<EntryScore> dot(GradientLedger ledger, ParameterVector query) {
        return dot(ledger, ledger.entries(), query);
    }

    /**
     * &lt;g_q, g_i&gt; of these entries, in their order; destroyed ones are passed over.
     *
     * @throws dev.lethe.engine.DamagedDataException when an entry's bytes are not what was captured
     * @throws dev.lethe.engine.BadInputException when the ledger is of a model of another shape
     */
    public List<EntryScore> dot(GradientLedger ledger, List<Entry> entries, ParameterVector query) {
        EntryFormat format = ledger.format(model);
        List<List<Entry>> blocks = blocks(entries);
        List<EntryScore> scores = new ArrayList<>(entries.size());
        if (blocks.isEmpty()) return scores;
        try (ExecutorService reader = Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().factory())) {
            Future<Block> next = reader.submit(() -> read(ledger, blocks.getFirst()));
            for (int i = 0; i < blocks.size(); i++) {
                Block block = await(next);
                if (i + 1 < blocks.size()) {
                    List<Entry> following = blocks.get(i + 1);
                    next = reader.submit(() -> read(ledger, following));
                }
                double[][] products = model.dot(format, block.payloads, options.sites(), query);
                for (int e = 0; e < products.length; e++)
                    scores.add(new EntryScore(block.entries.get(e).header(), sum(products[e]), products[e]));
            }
        }
        return scores;
    }

    /**
     * TracIn (Pruthi et al. 2020, with the query's gradient at the present weights in place of each checkpoint's): the
     * sum over a record's captured epochs of learning rate times &lt;g_q, g_i&gt;. Records in the order first captured.
     */
    public List<RecordScore> tracIn(GradientLedger ledger, ParameterVector query) {
        Map<RecordKey, RecordScore> records = new LinkedHashMap<>();
        for (EntryScore score : dot(ledger, query)) {
            double rate = score.entry().learningRate();
            double[] scaled = Arrays.stream(score.bySite()).map(value -> rate * value).toArray();
            RecordScore one = new RecordScore(score.entry().key(), 1, rate * score.total(), scaled);
            records.merge(one.key(), one, InfluenceScorer::add);
        }
        return List.copyOf(records.values());
    }

    /**
     * The activation-gradient product of examples at the model's present weights (Zagardo 2024): how strongly each site
     * still responds to them. Overwrites the model's gradient buffer.
     */
    public List<ActivationScore> activationGradient(List<Example> examples, int batchSize) {
        int sites = model.sites().size();
        List<ActivationScore> scores = new ArrayList<>(examples.size());
        for (int[] indices : batches(examples.size(), batchSize)) {
            double[] products = model.activationGradient(BatchPlan.batch(examples, indices)); // [B, S]
            for (int b = 0; b < indices.length; b++) {
                double[] bySite = Arrays.copyOfRange(products, b * sites, (b + 1) * sites);
                if (options.sites() != null)
                    for (int site = 0; site < sites; site++) if (!options.sites().contains(site)) bySite[site] = 0;
                scores.add(new ActivationScore(examples.get(indices[b]).id(), sum(bySite), bySite));
            }
        }
        return scores;
    }

    private List<int[]> batches(int examples, int batchSize) {
        if (batchSize < 1) throw new IllegalArgumentException("batch size is " + batchSize + ", must be at least 1");
        List<int[]> batches = new ArrayList<>();
        for (int from = 0; from < examples; from += batchSize)
            batches.add(IntStream.range(from, Math.min(examples, from + batchSize)).toArray());
        return batches;
    }

    /** Runs of live entries of at most blockBytes together; an entry larger than that is a block of its own. */
    private List<List<Entry>> blocks(List<Entry> entries) {
        List<List<Entry>> blocks = new ArrayList<>();
        List<Entry> block = new ArrayList<>();
        long bytes = 0;
        for (Entry entry : entries) {
            if (entry.destroyed()) continue;
            if (!block.isEmpty() && (bytes + entry.length() > options.blockBytes() || block.size() == LARGEST_BLOCK)) {
                blocks.add(block);
                block = new ArrayList<>();
                bytes = 0;
            }
            block.add(entry);
            bytes += entry.length();
        }
        if (!block.isEmpty()) blocks.add(block);
        return blocks;
    }

    private static Block read(GradientLedger ledger, List<Entry> entries) {
        return new Block(entries, entries.stream().map(ledger::payload).toList()); // the check reads every byte
    }

    private static Block await(Future<Block> next) {
        try {
            if (Thread.interrupted()) throw new InterruptedException();
            return next.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("scoring was interrupted");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) throw cause;
            throw new IllegalStateException("reading the ledger failed", e.getCause());
        }
    }

    private static RecordScore add(RecordScore a, RecordScore b) {
        double[] bySite = new double[a.bySite().length];
        Arrays.setAll(bySite, site -> a.bySite()[site] + b.bySite()[site]);
        return new RecordScore(a.key(), a.epochs() + b.epochs(), a.total() + b.total(), bySite);
    }

    private static double sum(double[] values) {
        return Arrays.stream(values).sum();
    }
}
