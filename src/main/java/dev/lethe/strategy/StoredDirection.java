/*
 * The direction from the ledger: the sum of the forget records' captured gradients, of one epoch or of all, made by one
 * weighted factor GEMM a site (Zagardo 2024: first-epoch and multi-epoch gradients).
 */
package dev.lethe.strategy;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.Payloads;
import dev.lethe.settings.Epochs;
import dev.lethe.shape.SiteSet;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

final class StoredDirection implements Ascent.AscentDirection {
    private static final int BLOCK = 64;

    private final LanguageModel model;
    private final GradientLedger ledger;
    private final SiteSet sites;
    private final List<Entry> entries;

    /** @throws BadInputException when a record has no entry for an epoch that is needed */
    StoredDirection(LanguageModel model, GradientLedger ledger, SiteSet sites, Set<String> forgetIds, Epochs epochs) {
        this.model = model;
        this.ledger = ledger;
        this.sites = sites;
        Set<RecordKey> keys = forgetIds.stream().map(RecordKey::of).collect(Collectors.toSet());
        this.entries = ledger.entries().stream()
                .filter(entry -> !entry.destroyed() && keys.contains(entry.header().key()))
                .filter(entry -> epochs.takes(entry.header().epoch()))
                .toList();
        requireEvery(forgetIds, epochs);
    }

    private void requireEvery(Set<String> forgetIds, Epochs epochs) {
        requireCaptured(epochs);
        Set<RecordKey> present = entries.stream().map(entry -> entry.header().key()).collect(Collectors.toSet());
        Set<String> missing = new TreeSet<>();
        for (String id : forgetIds) {
            if (!present.contains(RecordKey.of(id))) {
                missing.add(id);
            }
        }
        if (!missing.isEmpty()) {
            throw new BadInputException("the ledger holds no gradients of " + missing.size() + " of the records ("
                    + missing.stream().limit(5).collect(Collectors.joining(", "))
                    + "): were they destroyed by an earlier erasure? The strategy fresh needs none");
        }
    }

    private void requireCaptured(Epochs epochs) {
        TreeSet<Integer> captured = ledger.entries().stream().map(entry -> entry.header().epoch())
                .collect(Collectors.toCollection(TreeSet::new));
        if (epochs.equals(Epochs.ALL) && captured.size() == 1) {
            throw new BadInputException("strategy multi-epoch: this run captured epoch " + captured.first() + " alone, "
                    + "counted from 0; train with capture all, or use last-epoch");
        }
        if (captured.stream().noneMatch(epochs::takes)) {
            throw new BadInputException("epochs " + epochs + ": this run captured "
                    + (captured.size() == 1 ? "epoch " + captured.first() + " alone"
                    : "epochs " + captured.first() + " to " + captured.last())
                    + ", counted from 0; use the strategy last-epoch, or train with capture " + (epochs.equals(Epochs.FIRST)
                    ? "first" : "all"));
        }
    }

    @Override
    public void compute(ParameterVector out) {
        out.scale(0);
        EntryFormat format = ledger.format(model);
        for (int from = 0; from < entries.size(); from += BLOCK) {
            List<Entry> block = entries.subList(from, Math.min(entries.size(), from + BLOCK));
            double[] ones = new double[block.size()];
            Arrays.fill(ones, 1);
            try (Payloads data = ledger.payloads(block)) {
                model.entries().accumulate(format, data.list(), ones, sites, out);
            }
        }
    }

    @Override
    public double unit() {
        return 1.0 / entries.size();
    }
}
