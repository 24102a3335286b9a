/*
 * Scores of training records on queries, all records and as many queries as memory takes in one pass over a ledger, and
 * without a dense gradient of any record. A query meets the entries as a vector or as entries of its own, whichever
 * multiplies less (QueryForm). Scores with an inverse Hessian come in as a QueryVector: they change the query only.
 */
package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Work;
import dev.lethe.influence.InfluenceQuery.QueryVector;
import dev.lethe.influence.ScoreMerger.QueryScores;
import dev.lethe.influence.ScoreMerger.QueryScores.ActivationScore;
import dev.lethe.influence.ScoreMerger.QueryScores.EntryScore;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Influence of captured records. Confined to the model's thread, which waits while a thread of Lethe's works for it
 * ({@link Work}) and hands results out; an interrupt ends a pass with {@link dev.lethe.base.InterruptedWorkException}.
 * Owns nothing and so is not closed.
 */
public record InfluenceScorer(LanguageModel model, ScoreOptions options) {
    /**
     * g_q of a query as a vector: the mean, over the examples, of the gradients of their own mean token losses, at the
     * model's present weights. The caller closes it. Overwrites the model's gradient buffer.
     *
     * @param batchSize examples a pass
     */
    public ParameterVector query(List<Example> examples, int batchSize) {
        if (examples.isEmpty()) throw new IllegalArgumentException("a query needs at least one example");
        if (batchSize < 1) throw new IllegalArgumentException("batch size is " + batchSize + ", must be at least 1");
        return work(() -> QueryBlock.gradient(model, examples, batchSize));
    }

    /**
     * &lt;g_q, g_i&gt; of these entries in the order in which they lie; destroyed ones are passed over.
     *
     * @throws dev.lethe.base.DamagedDataException when an entry's bytes are not what was captured
     * @throws BadInputException when the ledger is of a model of another shape, or lacks a site that is asked for
     */
    public List<EntryScore> dot(GradientLedger ledger, List<Entry> entries, ParameterVector query) {
        return work(() -> products(ledger, entries, query));
    }

    private List<EntryScore> products(GradientLedger ledger, List<Entry> entries, ParameterVector query) {
        EntryFormat format = ledger.format(model);
        sites(format);
        List<EntryScore> scores = new ArrayList<>(entries.size());
        LedgerBlocks blocks = blocks(entries);
        LedgerPass.run(ledger, blocks, blocks.all(), block -> {
            double[][] products = model.entries().dot(format, block.payloads(), options.sites(), query);
            for (int e = 0; e < products.length; e++)
                scores.add(new EntryScore(block.entries().get(e).header(), sum(products[e]), products[e]));
        });
        return scores;
    }

    /** The {@code count} records, or all, whose entries' products with a vector sum to the most; as {@link #dot}. */
    public Set<Entry.RecordKey> first(GradientLedger ledger, List<Entry> entries, ParameterVector vector, int count) {
        Map<Entry.RecordKey, Double> sums = new HashMap<>();
        dot(ledger, entries, vector).forEach(score -> sums.merge(score.entry().key(), score.total(), Double::sum));
        return sums.keySet().stream().sorted(Comparator.comparingDouble(key -> -sums.get(key))).limit(count)
                .collect(Collectors.toSet());
    }

    /**
     * Scores of every record with live entries among these, one result a query, in order. Queries that do not fit
     * {@link ScoreOptions#queryBytes} together take turns, each turn one pass over the entries.
     *
     * @param along what the entries are multiplied with in place of a query's gradient; null = the gradient
     * @throws BadInputException when a gradient or a score is not finite, naming record and site, and as {@link #dot}
     */
    public void scores(GradientLedger ledger, List<Entry> entries, List<InfluenceQuery> queries, Weighing weighing,
            QueryVector along, Consumer<QueryScores> each) {
        scores(ledger, entries, queries, List.of(weighing), along, (_, scores) -> each.accept(scores));
    }

    /** As above for several weighings of the same products, at the price of one; each query's come one after the other. */
    public void scores(GradientLedger ledger, List<Entry> entries, List<InfluenceQuery> queries, List<Weighing> weighings,
            QueryVector along, BiConsumer<Weighing, QueryScores> each) {
        LedgerBlocks blocks = blocks(entries);
        ScoreMerger merger = new ScoreMerger(blocks, model.sites().size(), weighings, each);
        rows(ledger, blocks, blocks.all(), queries, weighings, along, merger);
        merger.end();
    }

    /** How these entries are cut by {@link ScoreOptions#blockBytes}: the same wherever they are scored. */
    public LedgerBlocks blocks(List<Entry> entries) {
        return LedgerBlocks.of(entries, options.blockBytes());
    }

    /**
     * What {@link #scores} sums, of one shard. Rows of all shards in order, turn by turn, make the scores of one process, bit for
     * bit, in a {@link ScoreMerger}, where options, machine and number of threads are the same. Throws as {@link #scores}.
     *
     * @param weighings that the rows are for
     * @param sink      is called on a thread of Lethe's that works for the caller
     */
    public void rows(GradientLedger ledger, LedgerBlocks blocks, LedgerBlocks.Shard shard, List<InfluenceQuery> queries,
            List<Weighing> weighings, QueryVector along, EntryRows.Sink sink) {
        work(() -> {
            passes(ledger, blocks, shard, queries, weighings, along, sink);
            return null;
        });
    }

    private void passes(GradientLedger ledger, LedgerBlocks blocks, LedgerBlocks.Shard shard, List<InfluenceQuery> queries,
            List<Weighing> weighings, QueryVector along, EntryRows.Sink sink) {
        EntryFormat format = ledger.format(model);
        SiteSet sites = sites(format);
        long scoreBytes = (long) weighings.size() * blocks.records().size() * (model.sites().size() + 1) * Double.BYTES;
        boolean norms = weighings.contains(Weighing.COSINE);
        for (int from = 0; from < queries.size(); ) {
            QueryForm form = form(format, sites, queries.get(from), along);
            int to = from;
            for (long bytes = 0; to < queries.size(); to++) {
                InfluenceQuery next = queries.get(to);
                bytes += form.bytes(model, sites, next) + scoreBytes;
                if (to > from && (bytes > options.queryBytes() || form(format, sites, next, along) != form)) break;
            }
            try (QueryBlock turn = new QueryBlock(model, sites, queries.subList(from, to), form, along)) {
                sink.turn(turn.asked());
                boolean withNorms = norms && from == 0;
                LedgerPass.run(ledger, blocks, shard, block -> {
                    double[][][] products = turn.products(format, block.payloads(), options.sites());
                    requireFinite(turn, block.entries(), products);
                    sink.rows(new EntryRows(block.first(), withNorms ? norms(format, block) : null, products));
                });
            }
            from = to;
        }
    }

    /** &lt;g_i, g_i&gt; of every record with live entries among these, summed over the epochs. */
    public List<QueryScores.RecordScore> selfInfluence(GradientLedger ledger, List<Entry> entries) {
        List<QueryScores> scores = new ArrayList<>(1);
        LedgerBlocks blocks = blocks(entries);
        ScoreMerger merger = new ScoreMerger(blocks, model.sites().size(), List.of(Weighing.SUM), (_, one) -> scores.add(one));
        selfRows(ledger, blocks, blocks.all(), merger);
        merger.end();
        return scores.getFirst().records();
    }

    /** What {@link #selfInfluence} sums, of one shard, as of one query; as {@link #rows}. */
    public void selfRows(GradientLedger ledger, LedgerBlocks blocks, LedgerBlocks.Shard shard, EntryRows.Sink sink) {
        work(() -> {
            EntryFormat format = ledger.format(model);
            sites(format);
            sink.turn(List.of(new EntryRows.Asked("self", null, Double.NaN)));
            LedgerPass.run(ledger, blocks, shard, block -> sink.rows(new EntryRows(block.first(), null, new double[][][] {
                    model.entries().squaredNorms(format, block.payloads(), options.sites())})));
            return null;
        });
    }

    /**
     * The activation-gradient product of examples at the model's present weights (Zagardo 2024): how strongly each site
     * still responds to them. Overwrites the model's gradient buffer.
     */
    public List<ActivationScore> activationGradient(List<Example> examples, int batchSize) {
        if (batchSize < 1) throw new IllegalArgumentException("batch size is " + batchSize + ", must be at least 1");
        return work(() -> responses(examples, batchSize));
    }

    private List<ActivationScore> responses(List<Example> examples, int batchSize) {
        int sites = model.sites().size();
        List<ActivationScore> scores = new ArrayList<>(examples.size());
        for (int from = 0; from < examples.size(); from += batchSize) {
            int[] indices = IntStream.range(from, Math.min(examples.size(), from + batchSize)).toArray();
            double[] products = model.activationGradient(BatchPlan.batch(examples, indices), false); // [B, S]
            for (int b = 0; b < indices.length; b++) {
                double[] bySite = Arrays.copyOfRange(products, b * sites, (b + 1) * sites);
                if (options.sites() != null)
                    for (int site = 0; site < sites; site++) if (!options.sites().contains(site)) bySite[site] = 0;
                scores.add(new ActivationScore(examples.get(indices[b]).id(), sum(bySite), bySite));
            }
        }
        return scores;
    }

    private static <T> T work(Supplier<T> body) {
        return Work.run("scoring", body);
    }

    /** |g_i| of each entry, its tied table whole. */
    private double[] norms(EntryFormat format, LedgerPass.Block block) {
        double[][] squares = model.entries().squaredNorms(format, block.payloads(), options.sites());
        return Arrays.stream(squares).mapToDouble(bySite -> Math.sqrt(Math.max(0, sum(bySite)))).toArray();
    }

    private void requireFinite(QueryBlock queries, List<Entry> entries, double[][][] products) {
        for (int m = 0; m < products.length; m++)
            for (int e = 0; e < products[m].length; e++)
                if (!Double.isFinite(sum(products[m][e]))) {
                    queries.requireFinite(queries.queries().get(m));
                    throw notFinite(entries.get(e).header(), products[m][e]);
                }
    }

    private BadInputException notFinite(Entry.EntryHeader record, double[] bySite) {
        String at = model.sites().stream().filter(site -> !Double.isFinite(bySite[site.index()])).findFirst()
                .map(site -> ", at site " + site.name()).orElse("");
        return new BadInputException("the score of record " + record.key() + ", epoch " + record.epoch() + at + " is not finite");
    }

    private QueryForm form(EntryFormat format, SiteSet sites, InfluenceQuery query, QueryVector along) {
        if (along != null) return QueryForm.DENSE;
        return options.form() != null ? options.form()
                : QueryForm.cheapest(model, format, sites, query.tokens(), query.targets());
    }

    /** The sites that count, which the ledger must hold. */
    private SiteSet sites(EntryFormat format) {
        if (options.sites() == null) return format.sites();
        if (!format.sites().containsAll(options.sites())) {
            TreeSet<String> missing = new TreeSet<>(options.sites().names());
            format.sites().names().forEach(missing::remove);
            throw new BadInputException("the ledger did not capture " + String.join(", ", missing) + "; it holds "
                    + String.join(", ", format.sites().names()));
        }
        return options.sites();
    }

    private static double sum(double[] values) {
        double sum = 0;
        for (double value : values) sum += value;
        return sum;
    }

    /**
     * How a ledger is scored.
     *
     * @param sites      sites that count, all of them held by the ledger; null = all held
     * @param blockBytes payload bytes of a block: two blocks at most are in use at a time, one being scored, one being read
     * @param queryBytes memory that queries and their scores may take together; more queries than fit take more passes over
     *                   the ledger, and one query is always let in
     * @param form       how queries meet the ledger; null = the cheaper one for each
     */
    public record ScoreOptions(SiteSet sites, long blockBytes, long queryBytes, QueryForm form) {
        public ScoreOptions {
            if (blockBytes < 1)
                throw new IllegalArgumentException("block size is " + blockBytes + " bytes, must be positive");
            if (queryBytes < 1)
                throw new IllegalArgumentException("query memory is " + queryBytes + " bytes, must be positive");
        }

        /** Every site held, blocks of 64 MiB, 1 GiB of queries. */
        public static ScoreOptions defaults() {
            return new ScoreOptions(null, 64L << 20, 1L << 30, null);
        }

        public ScoreOptions withSites(SiteSet chosen) {
            return new ScoreOptions(chosen, blockBytes, queryBytes, form);
        }

        public ScoreOptions withBlockBytes(long bytes) {
            return new ScoreOptions(sites, bytes, queryBytes, form);
        }

        public ScoreOptions withQueryBytes(long bytes) {
            return new ScoreOptions(sites, blockBytes, bytes, form);
        }

        public ScoreOptions withForm(QueryForm chosen) {
            return new ScoreOptions(sites, blockBytes, queryBytes, chosen);
        }
    }
}
