package dev.lethe.sweep;

import dev.lethe.engine.ModelLayout;
import dev.lethe.settings.Epochs;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Site;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What of the gradients is captured: in the first epoch, in the last one and in every one the sites of the cells that take
 * them. A capture moves no weight, so the same training may be made more than once with different captures, which is
 * smaller than all epochs of all sites.
 */
final class Captures {
    /** No ledger. */
    static final Plan NONE = new Plan(CapturePolicy.NONE, "embedding");

    private final ModelLayout layout;
    private final Map<CapturePolicy, Set<Integer>> sites = new EnumMap<>(CapturePolicy.class);

    /** Which epochs, and the selector of the sites. */
    record Plan(CapturePolicy policy, String sites) { }

    Captures(ModelShape shape) {
        this.layout = ModelLayout.of(shape);
    }

    /** Counts in what an erasure will take; null takes nothing. */
    void count(EraseConfig config) {
        if (policy(config) != CapturePolicy.NONE) {
            Set<Integer> into = sites.computeIfAbsent(policy(config), _ -> new TreeSet<>());
            layout.sites(config.sites()).sites().forEach(site -> into.add(site.index()));
        }
    }

    /** The training whose ledger serves an erasure; null: whichever is made anyway. */
    Plan of(EraseConfig config) {
        if (sites.isEmpty()) {
            return NONE;
        }
        Set<Integer> every = sites.getOrDefault(CapturePolicy.ALL, Set.of());
        if (sites.values().stream().allMatch(every::containsAll)) {
            return new Plan(CapturePolicy.ALL, selector(every));
        }
        CapturePolicy policy = policy(config);
        CapturePolicy made = sites.containsKey(policy) ? policy : sites.keySet().iterator().next();
        return new Plan(made, selector(sites.get(made)));
    }

    /** NONE for an erasure that takes nothing from a ledger. */
    private static CapturePolicy policy(EraseConfig config) {
        if (config == null || !config.usesLedger()) {
            return CapturePolicy.NONE;
        }
        Epochs epochs = config.storedEpochs();
        return epochs.equals(Epochs.FIRST) ? CapturePolicy.FIRST : epochs.equals(Epochs.LAST) ? CapturePolicy.LAST
                : CapturePolicy.ALL;
    }

    private String selector(Set<Integer> chosen) {
        List<Site> known = layout.sites();
        return chosen.size() == known.size() ? "all"
                : String.join(",", chosen.stream().map(index -> known.get(index).name()).toList());
    }
}
