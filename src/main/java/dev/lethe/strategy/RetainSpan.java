/*
 * The span contrast: projects a forget direction off the leading principal directions of the retain records' first-epoch
 * gradients. From the ledger alone: the Gram matrix K of a sample of entries, K = Q diag(w) Q^T, then for a direction g
 * with k_j = <g_j, g> the part inside the span is sum_j c_j g_j with c = Q_r diag(1/w_r) Q_r^T k. No gradient is made dense
 * but the direction itself. The mean contrast is the same with the one vector sum_j g_j.
 */
package dev.lethe.strategy;

import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.Payloads;
import dev.lethe.settings.Contrast;
import dev.lethe.shape.SiteSet;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

final class RetainSpan implements AutoCloseable {
    private static final long GRAM_SCRATCH_BYTES = 256L << 20;
    /** Below this share of the largest eigenvalue a direction is rounding, and dividing by it would be noise. */
    private static final double EIGENVALUE_FLOOR = 1e-6;

    private final LanguageModel model;
    private final EntryFormat format;
    private final SiteSet sites;
    private final Payloads held;
    private final List<MemorySegment> data;
    private final Contrast contrast;
    private double[] vectors; // row i is the eigenvector of values[i]; null for the mean
    private double[] values;

    /** Reads the entries' payloads (checksummed) and, for a span, decomposes their Gram matrix. */
    RetainSpan(LanguageModel model, GradientLedger ledger, SiteSet sites, List<Entry> retain, Contrast contrast) {
        this.model = model;
        this.format = ledger.format(model);
        this.sites = sites;
        this.contrast = contrast;
        this.held = ledger.payloads(retain);
        this.data = held.list();
        try {
            if (contrast.kind() == Contrast.Kind.SPAN) {
                vectors = model.entries().gram(format, data, sites, GRAM_SCRATCH_BYTES);
                values = Engine.eigen(vectors, data.size());
            }
        } catch (Throwable e) {
            held.close();
            throw e;
        }
    }

    /** Removes the contrast's part from {@code direction}. Returns the share of its squared norm that was removed. */
    double removeFrom(ParameterVector direction) {
        double before = direction.dot(direction, sites);
        double[] coefficients = contrast.kind() == Contrast.Kind.SPAN ? spanPart(direction) : meanPart(direction);
        for (int i = 0; i < coefficients.length; i++) {
            coefficients[i] = -coefficients[i];
        }
        model.entries().accumulate(format, data, coefficients, sites, direction);
        return before == 0 ? 0 : 1 - direction.dot(direction, sites) / before;
    }

    @Override
    public void close() {
        held.close();
    }

    private double[] spanPart(ParameterVector direction) {
        int n = data.size();
        double[] k = products(direction);
        double[] c = new double[n];
        double floor = values[n - 1] * EIGENVALUE_FLOOR;
        for (int i = n - 1; i >= Math.max(0, n - contrast.rank()) && values[i] > floor; i--) {
            double weight = 0;
            for (int j = 0; j < n; j++) {
                weight += vectors[i * n + j] * k[j];
            }
            weight /= values[i];
            for (int j = 0; j < n; j++) {
                c[j] += weight * vectors[i * n + j];
            }
        }
        return c;
    }

    private double[] meanPart(ParameterVector direction) {
        double[] c = new double[data.size()];
        Arrays.fill(c, 1);
        try (ParameterVector mean = model.vector()) {
            model.entries().accumulate(format, data, c, sites, mean);
            double norm = mean.dot(mean, sites);
            Arrays.fill(c, norm == 0 ? 0 : direction.dot(mean, sites) / norm);
        }
        return c;
    }

    private double[] products(ParameterVector direction) {
        double[][] bySite = model.entries().dot(format, data, sites, direction);
        return Arrays.stream(bySite).mapToDouble(row -> Arrays.stream(row).sum()).toArray();
    }
}
