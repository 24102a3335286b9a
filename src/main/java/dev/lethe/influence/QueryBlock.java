/*
 * Queries that share one pass over a ledger: their gradients, dense or factored, at the model's present weights, and the
 * products with a block of entries. Bounded by whoever chooses how many queries to take.
 */
package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.Reason;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.InfluenceQuery.QueryVector;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Queries of one form. Confined to the model's thread; the caller closes it. */
final class QueryBlock implements AutoCloseable {
    private static final int BATCH = 16; // examples a pass

    private final LanguageModel model;
    private final List<InfluenceQuery> queries;
    private final QueryForm form;
    private final SiteSet sites;
    private final EntryFormat format; // of the factored form
    private final Arena arena = Arena.ofConfined();
    private final List<MemorySegment> entries = new ArrayList<>(); // factored: all queries' examples in order
    private final List<ParameterVector> vectors = new ArrayList<>(); // dense: one a query

    /** @param along what the ledger is multiplied with in place of a query's gradient; null = the gradient */
    QueryBlock(LanguageModel model, SiteSet sites, List<InfluenceQuery> queries, QueryForm form, QueryVector along) {
        this.model = model;
        this.sites = sites;
        this.queries = queries;
        this.form = form;
        format = QueryForm.format(model, sites);
        try {
            for (InfluenceQuery query : queries) take(query, along);
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    private void take(InfluenceQuery query, QueryVector along) {
        try {
            if (form == QueryForm.FACTORED) capture(query.examples(), entries);
            else vectors.add(along == null ? gradient(model, query.examples(), BATCH) : along.of(query));
        } catch (EngineException e) {
            if (e.status() == EngineException.Status.NOT_FINITE) requireFinite(query);
            throw e;
        }
    }

    /** The mean of the examples' own gradients; the caller closes it. Overwrites the model's gradient buffer. */
    static ParameterVector gradient(LanguageModel model, List<Example> examples, int batchSize) {
        for (int from = 0; from < examples.size(); from += batchSize) {
            int[] indices = IntStream.range(from, Math.min(examples.size(), from + batchSize)).toArray();
            double[] weights = new double[indices.length];
            Arrays.fill(weights, 1.0 / examples.size());
            Batch batch = BatchPlan.batch(examples, indices).withWeights(weights);
            model.gradient(batch, from > 0, null);
        }
        return model.buffer(Buffer.GRADIENT).copy();
    }

    private void capture(List<Example> examples, List<MemorySegment> into) {
        for (int from = 0; from < examples.size(); from += BATCH) {
            int[] indices = IntStream.range(from, Math.min(examples.size(), from + BATCH)).toArray();
            List<MemorySegment> room = new ArrayList<>();
            for (int index : indices) {
                Example example = examples.get(index);
                room.add(arena.allocate(model.entries().bytes(format, example.tokens().length, example.targetCount()), 64));
            }
            model.gradient(BatchPlan.batch(examples, indices), false, new Capture(format, room));
            into.addAll(room);
        }
    }

    List<InfluenceQuery> queries() {
        return queries;
    }

    /** The queries as the rows know them. */
    List<EntryRows.Asked> asked() {
        double[] norms = norms();
        return IntStream.range(0, norms.length).mapToObj(m -> new EntryRows.Asked(queries.get(m).name(), form, norms[m])).toList();
    }

    /** [M][N][S] of a block of the ledger's entries. */
    double[][][] products(EntryFormat ledger, List<MemorySegment> data, SiteSet selected) {
        if (form == QueryForm.DENSE) return model.entries().dot(ledger, data, selected, vectors);
        double[][][] byExample = model.entries().cross(ledger, data, selected, format, entries);
        double[][][] products = new double[queries.size()][][];
        int next = 0;
        for (int m = 0; m < products.length; m++) {
            int count = queries.get(m).examples().size();
            products[m] = mean(byExample, next, count);
            next += count;
        }
        return products;
    }

    private static double[][] mean(double[][][] rows, int first, int count) {
        if (count == 1) return rows[first];
        double[][] mean = new double[rows[first].length][rows[first].length == 0 ? 0 : rows[first][0].length];
        for (int q = first; q < first + count; q++)
            for (int i = 0; i < mean.length; i++)
                for (int s = 0; s < mean[i].length; s++) mean[i][s] += rows[q][i][s] / count;
        return mean;
    }

    /** |g_q| over the sites, a tied table whole, of each query: [M]. */
    private double[] norms() {
        if (form == QueryForm.DENSE) return vectors.stream().mapToDouble(v -> Math.sqrt(v.dot(v, sites))).toArray();
        double[] norms = new double[queries.size()];
        int next = 0;
        for (int m = 0; m < norms.length; m++) {
            int count = queries.get(m).examples().size();
            double[] gram = model.entries().gram(format, entries.subList(next, next + count), null, 1L << 26);
            norms[m] = Math.sqrt(Arrays.stream(gram).sum()) / count;
            next += count;
        }
        return norms;
    }

    /** @throws BadInputException naming the record, and the site or token where its gradient is not finite, if it is not */
    void requireFinite(InfluenceQuery query) {
        for (Example example : query.examples())
            try {
                capture(List.of(example), new ArrayList<>());
            } catch (EngineException e) {
                if (e.status() != EngineException.Status.NOT_FINITE) throw e;
                throw new BadInputException("query record " + example.id() + ": "
                        + Reason.of(e).replace(" of record 0 of the batch", "").replace("record 0 of the batch: ", ""), e);
            }
    }

    @Override
    public void close() {
        vectors.forEach(ParameterVector::close);
        if (arena.scope().isAlive()) arena.close();
    }
}
