/*
 * Measures what InfluenceChange reports, at the weights of now: <g_i, v> and its cosine over stored first-epoch gradients
 * of the forget records and of a sample of retain records, and the activation-gradient products of the forget records.
 */
package dev.lethe.strategy;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.Payloads;
import dev.lethe.results.InfluenceChange;
import dev.lethe.results.InfluenceChange.Series;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.Example;
import dev.lethe.train.SharedModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

public final class InfluenceProbe {
    private final LanguageModel model;
    private final GradientLedger ledger;
    private final SiteSet sites;
    private final List<Example> forget;
    private final List<Entry> forgetEntries;
    private final List<Entry> retainEntries;

    /** Rows are records, columns the sites in order. */
    private record Snapshot(double[][] forgetDot, double[][] retainDot, double[][] forgetCosine, double[][] retainCosine,
                            double[][] actGrad) { }

    private Snapshot before;

    InfluenceProbe(LanguageModel model, GradientLedger ledger, SiteSet sites, List<Example> forget,
                   List<Entry> forgetEntries, List<Entry> retainEntries) {
        this.model = model;
        this.ledger = ledger;
        this.sites = sites;
        this.forget = forget;
        this.forgetEntries = forgetEntries;
        this.retainEntries = retainEntries;
    }

    /** Remembers the influence at the weights of now. */
    public void before() {
        before = take();
    }

    /** Mean |&lt;g_i, v&gt;| of the forget records at the weights of now, summed over the sites. */
    public double magnitude() {
        try (ParameterVector gradient = model.vector()) {
            new FreshDirection(SharedModel.alone(model), forget).compute(gradient);
            gradient.scale(1.0 / forget.size());
            double sum = 0;
            for (double[] bySite : products(forgetEntries, gradient)) {
                sum += Math.abs(Arrays.stream(bySite).sum());
            }
            return sum / forgetEntries.size();
        }
    }

    /** The change from {@link #before} to the weights of now. */
    public InfluenceChange after() {
        Snapshot after = take();
        List<Series> dot = new ArrayList<>();
        List<Series> cosine = new ArrayList<>();
        List<Series> actGrad = new ArrayList<>();
        for (Site site : sites.sites()) {
            int s = site.index();
            dot.add(series(site, "forget", before.forgetDot(), after.forgetDot()));
            dot.add(series(site, "retain", before.retainDot(), after.retainDot()));
            if (!isSecondPart(site)) {
                cosine.add(series(site, "forget", before.forgetCosine(), after.forgetCosine()));
                cosine.add(series(site, "retain", before.retainCosine(), after.retainCosine()));
            }
            actGrad.add(new Series(site.name(), "forget", column(before.actGrad(), s), column(after.actGrad(), s)));
        }
        return new InfluenceChange(dot, cosine, actGrad);
    }

    private static Series series(Site site, String group, double[][] before, double[][] after) {
        return new Series(site.name(), group, column(before, site.index()), column(after, site.index()));
    }

    private static double[] column(double[][] rows, int column) {
        double[] values = new double[rows.length];
        for (int i = 0; i < rows.length; i++) {
            values[i] = rows[i][column];
        }
        return values;
    }

    private Snapshot take() {
        try (ParameterVector gradient = model.vector()) {
            double[][] actGrad = actGrad();
            gradient.assign(model.buffer(Buffer.GRADIENT));
            gradient.scale(1.0 / forget.size());
            double[][] forgetDot = products(forgetEntries, gradient);
            double[][] retainDot = products(retainEntries, gradient);
            double[] lengths = lengths(gradient);
            return new Snapshot(forgetDot, retainDot, cosines(forgetEntries, forgetDot, lengths),
                    cosines(retainEntries, retainDot, lengths), actGrad);
        }
    }

    private double[][] products(List<Entry> entries, ParameterVector vector) {
        if (entries.isEmpty()) {
            return new double[0][];
        }
        try (Payloads data = ledger.payloads(entries)) {
            return model.entries().dot(ledger.format(model), data.list(), sites, vector);
        }
    }

    /** The head of a tied table whose other part is chosen too: its numbers are in wte's. */
    private boolean isSecondPart(Site site) {
        return site.kind() == Site.Kind.HEAD && model.shape().tiedHead()
                && sites.sites().stream().anyMatch(other -> other.kind() == Site.Kind.EMBEDDING);
    }

    /** |v| at each site, [S]. */
    private double[] lengths(ParameterVector vector) {
        double[] lengths = new double[model.sites().size()];
        for (Site site : sites.sites()) {
            lengths[site.index()] = Math.sqrt(vector.dot(vector, SiteSet.of(model.sites(), List.of(site.name()))));
        }
        return lengths;
    }

    /** [N][S], 0 where one of the two is 0. */
    private double[][] cosines(List<Entry> entries, double[][] products, double[] lengths) {
        double[][] squares;
        try (Payloads data = ledger.payloads(entries)) {
            squares = model.entries().squaredNorms(ledger.format(model), data.list(), sites);
        }
        double[][] cosines = new double[products.length][lengths.length];
        for (int i = 0; i < products.length; i++) {
            double[] whole = products[i].clone();
            for (Site site : sites.sites()) {
                int at = isSecondPart(site) ? 0 : site.index(); // both parts of a tied table count as wte, the first site
                if (at != site.index()) {
                    whole[at] += whole[site.index()];
                    squares[i][at] += squares[i][site.index()];
                }
            }
            for (Site site : sites.sites()) {
                int s = site.index();
                double scale = Math.sqrt(Math.max(0, squares[i][s])) * lengths[s];
                cosines[i][s] = scale == 0 ? 0 : whole[s] / scale;
            }
        }
        return cosines;
    }

    /** [N][S] of the forget records; leaves the sum of their gradients in the model's gradient buffer. */
    private double[][] actGrad() {
        double[][] rows = new double[forget.size()][];
        int width = model.sites().size();
        for (int from = 0; from < rows.length; from += FreshDirection.RECORDS) {
            double[] products = model.activationGradient(
                    SharedModel.summed(forget, from, Math.min(rows.length, from + FreshDirection.RECORDS)), from > 0);
            for (int b = 0; b * width < products.length; b++) {
                rows[from + b] = Arrays.copyOfRange(products, b * width, (b + 1) * width);
            }
        }
        return rows;
    }
}
