/*
 * What an erasure takes from the ledger: the forget direction, the retain span for the contrast, the entries whose
 * influence is followed. A run without a ledger has none of them, which only the fresh strategy without contrast accepts.
 */
package dev.lethe.strategy;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.FactorShards;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.Payloads;
import dev.lethe.objective.EraseData;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Contrast;
import dev.lethe.settings.Epochs;
import dev.lethe.settings.EraseConfig;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.Example;
import dev.lethe.train.Trainer;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

public final class StoredGradients implements AutoCloseable {
    /** Retain entries whose influence is followed for the report. */
    private static final int INFLUENCE_SAMPLE = 64;

    private final LanguageModel model;
    private final GradientLedger ledger; // null when the run has none
    private final SiteSet sites;
    private final EraseConfig config;
    private final Set<String> forgetIds;
    private final Epochs epochs;
    private final List<Entry> forget;
    private final List<Entry> retain;

    private StoredGradients(LanguageModel model, GradientLedger ledger, SiteSet sites, EraseConfig config,
                            Set<String> forgetIds) {
        this.model = model;
        this.ledger = ledger;
        this.sites = sites;
        this.config = config;
        this.forgetIds = forgetIds;
        Set<Entry.RecordKey> keys = forgetIds.stream().map(Entry.RecordKey::of).collect(Collectors.toSet());
        int last = ledger == null ? 0 : ledger.lastEpoch();
        this.epochs = config.storedEpochs().knowing(last);
        List<Entry> followed = ledger == null ? List.of() : ledger.entries(epochs.equals(Epochs.ALL) ? last : epochs.epoch())
                .stream().filter(entry -> !entry.destroyed()).toList();
        this.forget = followed.stream().filter(entry -> keys.contains(entry.header().key())).toList();
        this.retain = followed.stream().filter(entry -> !keys.contains(entry.header().key())).toList();
    }

    /** @throws BadInputException when the configuration needs a ledger or sites that the run does not have, or names others' factors */
    public static StoredGradients open(LanguageModel model, RunFolder run, EraseConfig config, Set<String> forgetIds) {
        SiteSet sites = chosen(model, config.sites());
        boolean needed = config.usesLedger();
        if (!run.hasLedger()) {
            if (needed) {
                throw new BadInputException("run " + run + " captured no gradients; " + (config.ledgerCurvature()
                        ? "set ledger_curvature to 0," : "use the strategy fresh without contrast,") + " or train with capture last");
            }
            return new StoredGradients(model, null, sites, config, forgetIds);
        }
        GradientLedger ledger = GradientLedger.open(run.ledger());
        try {
            SiteSet held = ledger.format(model).sites();
            if (needed && !held.containsAll(sites)) {
                Set<String> missing = new TreeSet<>(sites.names());
                held.names().forEach(missing::remove);
                throw new BadInputException("sites " + config.sites() + ": the run captured " + held.names()
                        + " but not " + missing + "; choose among those or train with sites " + config.sites());
            }
            StoredGradients stored = new StoredGradients(model, ledger, sites, config, forgetIds);
            if (config.factors() != null) { // now, not after minutes of measuring
                stored.factors().require(config.factors(), Trainer.modelHash(model));
            }
            return stored;
        } catch (RuntimeException e) {
            ledger.close();
            throw e;
        }
    }

    private static SiteSet chosen(LanguageModel model, String selector) {
        try {
            return model.sites(selector);
        } catch (IllegalArgumentException e) {
            throw new BadInputException("sites: " + Reason.of(e), e);
        }
    }

    SiteSet sites() {
        return sites;
    }

    /** The ascent direction of the strategies that take captured gradients. */
    Ascent.AscentDirection direction() {
        return new StoredDirection(model, ledger, sites, forgetIds, epochs);
    }

    /** EK-FAC of what is stored of retain records: no pass over data. From shards where they are given, else computed here. */
    KroneckerFactors curvature() {
        return config.factors() == null ? factors().fit() : factors().read(config.factors(), Trainer.modelHash(model));
    }

    /** The same, to be computed; of at most {@code contrastSample} retain records. @throws BadInputException when there is none */
    public FactorShards factors() {
        List<Entry> sample = EraseData.sample(retain, config.contrastSample(), config.seed());
        if (sample.isEmpty()) {
            throw new BadInputException("ledger_curvature: the ledger keeps nothing of any record that stays; set it to 0");
        }
        return new FactorShards(model, ledger, sample, sites, config.seed());
    }

    /** The contrast to take out of a direction; null when none is configured. */
    RetainSpan contrast() {
        if (config.contrast().kind() == Contrast.Kind.NONE || retain.isEmpty()) {
            return null;
        }
        List<Entry> sample = EraseData.sample(retain, config.contrastSample(), config.seed());
        return new RetainSpan(model, ledger, sites, sample, config.contrast());
    }

    /** Null when there are no stored gradients of the forget set to follow. */
    public InfluenceProbe influence(List<Example> examples) {
        if (forget.isEmpty() || !ledger.format(model).sites().containsAll(sites)) {
            return null;
        }
        return new InfluenceProbe(model, ledger, sites, examples, forget,
                EraseData.sample(retain, INFLUENCE_SAMPLE, config.seed()));
    }

    @Override
    public void close() {
        if (ledger != null) {
            ledger.close();
        }
    }

    /**
     * The direction from the ledger: the sum of the forget records' captured gradients, of one epoch or of all, made by one
     * weighted factor GEMM a site (Zagardo 2024: first-epoch and multi-epoch gradients).
     */
    static final class StoredDirection implements Ascent.AscentDirection {
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
}
