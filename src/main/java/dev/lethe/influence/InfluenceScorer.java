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
import dev.lethe.influence.QueryScores.ActivationScore;
import dev.lethe.influence.QueryScores.EntryScore;
import dev.lethe.influence.RecordIndex.ScoreSums;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.shape.Site;
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
     * &lt;g_q, g_i&gt; of these entries, in their order; destroyed ones are passed over.
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
        LedgerPass.run(ledger, live(entries), options.blockBytes(), block -> {
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
        work(() -> {
            passes(ledger, entries, queries, weighings, along, each);
            return null;
        });
    }

    private void passes(GradientLedger ledger, List<Entry> entries, List<InfluenceQuery> queries, List<Weighing> weighings,
            QueryVector along, BiConsumer<Weighing, QueryScores> each) {
        EntryFormat format = ledger.format(model);
        SiteSet sites = sites(format);
        List<Entry> live = live(entries);
        RecordIndex records = new RecordIndex(live);
        double[] entryNorms = weighings.contains(Weighing.COSINE) ? norms(ledger, format, live) : null;
        long scoreBytes = (long) weighings.size() * records.size() * (model.sites().size() + 1) * Double.BYTES;
        for (int from = 0; from < queries.size(); ) {
            QueryForm form = form(format, sites, queries.get(from), along);
            int to = from;
            for (long bytes = 0; to < queries.size(); to++) {
                InfluenceQuery next = queries.get(to);
                bytes += form.bytes(model, sites, next) + scoreBytes;
                if (to > from && (bytes > options.queryBytes() || form(format, sites, next, along) != form)) break;
            }
            try (QueryBlock block = new QueryBlock(model, sites, queries.subList(from, to), form, along)) {
                pass(ledger, format, live, records, block, weighings, entryNorms, each);
            }
            from = to;
        }
    }

    /** &lt;g_i, g_i&gt; of every record with live entries among these, summed over the epochs. */
    public List<QueryScores.RecordScore> selfInfluence(GradientLedger ledger, List<Entry> entries) {
        return work(() -> squaredNorms(ledger, entries));
    }

    private List<QueryScores.RecordScore> squaredNorms(GradientLedger ledger, List<Entry> entries) {
        EntryFormat format = ledger.format(model);
        sites(format);
        List<Entry> live = live(entries);
        RecordIndex records = new RecordIndex(live);
        ScoreSums sums = new ScoreSums(records.size(), model.sites().size());
        LedgerPass.run(ledger, live, options.blockBytes(), block -> {
            double[][] norms = model.entries().squaredNorms(format, block.payloads(), options.sites());
            for (int e = 0; e < norms.length; e++) sums.add(records.of(block.first() + e), 1, norms[e]);
        });
        return sums.scores(records);
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

    private void pass(GradientLedger ledger, EntryFormat format, List<Entry> live, RecordIndex records, QueryBlock queries,
            List<Weighing> weighings, double[] entryNorms, BiConsumer<Weighing, QueryScores> each) {
        int count = queries.queries().size();
        double[] queryNorms = entryNorms == null ? null : queries.norms();
        ScoreSums[][] sums = new ScoreSums[count][weighings.size()];
        for (ScoreSums[] row : sums) Arrays.setAll(row, _ -> new ScoreSums(records.size(), model.sites().size()));
        LedgerPass.run(ledger, live, options.blockBytes(), block -> {
            double[][][] products = queries.products(format, block.payloads(), options.sites());
            for (int m = 0; m < count; m++)
                for (int e = 0; e < products[m].length; e++) {
                    int at = block.first() + e;
                    Entry.EntryHeader header = live.get(at).header();
                    requireFinite(queries, queries.queries().get(m), header, products[m][e]);
                    for (int w = 0; w < weighings.size(); w++) {
                        double weight = switch (weighings.get(w)) {
                            case SUM -> 1;
                            case LEARNING_RATE -> header.learningRate();
                            case COSINE -> inverse(queryNorms[m] * entryNorms[at]) / records.epochs(records.of(at));
                        };
                        sums[m][w].add(records.of(at), weight, products[m][e]);
                    }
                }
        });
        for (int m = 0; m < count; m++)
            for (int w = 0; w < weighings.size(); w++)
                each.accept(weighings.get(w), new QueryScores(queries.queries().get(m).name(), queries.form(),
                        sums[m][w].scores(records)));
    }

    /** |g_i| of each entry, its tied table whole. */
    private double[] norms(GradientLedger ledger, EntryFormat format, List<Entry> live) {
        double[] norms = new double[live.size()];
        LedgerPass.run(ledger, live, options.blockBytes(), block -> {
            double[][] squares = model.entries().squaredNorms(format, block.payloads(), options.sites());
            for (int e = 0; e < squares.length; e++) norms[block.first() + e] = Math.sqrt(Math.max(0, sum(squares[e])));
        });
        return norms;
    }

    private void requireFinite(QueryBlock queries, InfluenceQuery query, Entry.EntryHeader record, double[] bySite) {
        if (Double.isFinite(sum(bySite))) return;
        queries.requireFinite(query);
        for (Site site : model.sites())
            if (!Double.isFinite(bySite[site.index()]))
                throw new BadInputException("the score of record " + record.key() + ", epoch " + record.epoch()
                        + ", at site " + site.name() + " is not finite");
        throw new BadInputException("the score of record " + record.key() + ", epoch " + record.epoch()
                + " is not finite");
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

    private static List<Entry> live(List<Entry> entries) {
        return entries.stream().filter(entry -> !entry.destroyed()).toList();
    }

    private static double inverse(double value) {
        return value == 0 ? 0 : 1 / value;
    }

    private static double sum(double[] values) {
        double sum = 0;
        for (double value : values) sum += value;
        return sum;
    }
}
