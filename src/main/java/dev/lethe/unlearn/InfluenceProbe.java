/*
 * Measures what InfluenceChange reports, at the weights of now: <g_i, v> over stored first-epoch gradients of the forget
 * records and of a sample of retain records, and the activation-gradient products of the forget records.
 */
package dev.lethe.unlearn;

import dev.lethe.data.BatchPlan;
import dev.lethe.data.Example;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Site;
import dev.lethe.engine.SiteSet;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.unlearn.InfluenceChange.Series;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

final class InfluenceProbe {
    private final LanguageModel model;
    private final GradientLedger ledger;
    private final SiteSet sites;
    private final List<Example> forget;
    private final List<Entry> forgetEntries;
    private final List<Entry> retainEntries;

    /** Rows are records, columns the sites in order. */
    private record Snapshot(double[][] forgetDot, double[][] retainDot, double[][] actGrad) { }

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
    void before() {
        before = take();
    }

    /** The change from {@link #before} to the weights of now. */
    InfluenceChange after() {
        Snapshot after = take();
        List<Series> dot = new ArrayList<>();
        List<Series> actGrad = new ArrayList<>();
        for (Site site : sites.sites()) {
            int s = site.index();
            dot.add(series(site, "forget", before.forgetDot(), after.forgetDot()));
            dot.add(series(site, "retain", before.retainDot(), after.retainDot()));
            actGrad.add(new Series(site.name(), "forget", column(before.actGrad(), s), column(after.actGrad(), s)));
        }
        return new InfluenceChange(dot, actGrad);
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
            new FreshDirection(model, forget).compute(gradient);
            gradient.scale(1.0 / forget.size());
            return new Snapshot(products(forgetEntries, gradient), products(retainEntries, gradient), actGrad());
        }
    }

    private double[][] products(List<Entry> entries, ParameterVector vector) {
        EntryFormat format = ledger.format(model);
        List<MemorySegment> data = new ArrayList<>(entries.size());
        entries.forEach(entry -> data.add(ledger.payload(entry)));
        return data.isEmpty() ? new double[0][] : model.dot(format, data, sites, vector);
    }

    private double[][] actGrad() {
        int width = model.sites().size();
        double[][] rows = new double[forget.size()][];
        for (int i = 0; i < forget.size(); i++) {
            rows[i] = model.activationGradient(BatchPlan.batch(forget, new int[] {i}));
            if (rows[i].length != width) {
                throw new IllegalStateException("activation-gradient of one record has " + rows[i].length + " sites");
            }
        }
        return rows;
    }
}
