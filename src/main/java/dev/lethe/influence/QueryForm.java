/*
 * Which of two equal ways computes <g_q, g_i>, by counting multiply-adds a stored token.
 *   dense     <A_i V, G_i>, V the query's gradient      in out                    k C (top-k head)    V C (exact head)
 *   factored  <A_i A_q', G_i G_q'>, R query tokens      R (in + out)              R_t (k + C)         R_t (V + C)
 * with R_t = the query's rows at the table: its tokens, its targets, or both where the table is tied. A dense query takes
 * the memory of the model's parameters; a factored one that of its entry and of R_t columns of the vocabulary.
 */
package dev.lethe.influence;

import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;

/** How a query meets the ledger's entries. */
public enum QueryForm {
    /** As one vector in parameter space. */
    DENSE,
    /** As captured entries of its own examples. */
    FACTORED;

    static QueryForm cheapest(LanguageModel model, EntryFormat ledger, SiteSet sites, long tokens, long targets) {
        double dense = cost(DENSE, model, ledger, sites, tokens, targets);
        return cost(FACTORED, model, ledger, sites, tokens, targets) < dense ? FACTORED : DENSE;
    }

    /** Multiply-adds a stored token, of a query with so many tokens and targets. */
    static double cost(QueryForm form, LanguageModel model, EntryFormat ledger, SiteSet sites, long tokens, long targets) {
        double cost = 0;
        for (Site site : sites.sites()) {
            double in = site.inputs();
            double out = site.outputs();
            boolean head = site.kind() == Site.Kind.HEAD;
            boolean position = site.kind() == Site.Kind.POSITION;
            double rows = position ? tokens : tableRows(model, head, tokens, targets);
            double width = head ? ledger.headTopK() > 0 ? ledger.headTopK() : out : 1;
            cost += switch (site.kind()) {
                case LINEAR -> form == DENSE ? in * out : tokens * (in + out);
                case NORM -> 0; // a vector a record
                case EMBEDDING, POSITION, HEAD -> form == DENSE ? width * channels(model)
                        : rows * (width + channels(model));
            };
        }
        return cost;
    }

    /** Bytes that a query of this form takes during a pass. */
    long bytes(LanguageModel model, SiteSet sites, InfluenceQuery query) {
        long element = model.dtype().bytes();
        if (this == DENSE) return model.flatSize() * element;
        EntryFormat format = format(model, sites);
        long entries = query.examples().stream()
                .mapToLong(example -> model.entries().bytes(format, example.tokens().length, example.targetCount())).sum();
        boolean table = format.sites().sites().stream().anyMatch(site -> site.kind() == Site.Kind.HEAD);
        return 2 * entries + (table ? (query.tokens() + query.targets()) * model.shape().vocabulary() * element : 0);
    }

    /** A query's own entries: exact, in the model's type, with both parts of a tied table. */
    static EntryFormat format(LanguageModel model, SiteSet sites) {
        return new EntryFormat(whole(model, sites), 0, model.dtype() == Dtype.F64 ? Dtype.F64 : Dtype.F32);
    }

    /** These sites and, when one of a tied table's two is among them, the other. */
    static SiteSet whole(LanguageModel model, SiteSet sites) {
        if (!model.shape().tiedHead()) return sites;
        boolean table = sites.sites().stream()
                .anyMatch(site -> site.kind() == Site.Kind.HEAD || site.kind() == Site.Kind.EMBEDDING);
        if (!table) return sites;
        var names = new java.util.HashSet<>(sites.names());
        names.addAll(model.sites("embedding").names());
        return SiteSet.of(model.sites(), names);
    }

    private static double tableRows(LanguageModel model, boolean head, long tokens, long targets) {
        if (model.shape().tiedHead()) return tokens + targets;
        return head ? targets : tokens;
    }

    private static double channels(LanguageModel model) {
        return model.shape().channels();
    }
}
