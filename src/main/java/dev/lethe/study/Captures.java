package dev.lethe.study;

import dev.lethe.engine.ModelShape;
import dev.lethe.engine.Site;
import dev.lethe.engine.SiteSet;
import dev.lethe.train.CapturePolicy;
import dev.lethe.unlearn.Contrast;
import dev.lethe.unlearn.EraseConfig;
import dev.lethe.unlearn.Epochs;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * What of the gradients is captured: in the first epoch the sites of every cell that takes first-epoch gradients, in all
 * epochs only those of cells that take later ones. A capture moves no weight, so the same training may be made twice with
 * two captures, which is smaller than all epochs of all sites.
 */
final class Captures {
    /** No ledger. */
    static final Plan NONE = new Plan(CapturePolicy.NONE, "embedding");

    private final ModelShape shape;
    private final Set<Integer> first = new TreeSet<>();
    private final Set<Integer> every = new TreeSet<>();

    /** Which epochs, and the selector of the sites. */
    record Plan(CapturePolicy policy, String sites) { }

    Captures(ModelShape shape) {
        this.shape = shape;
    }

    /** Counts in what an erasure will take; null takes nothing. */
    void count(EraseConfig config) {
        Set<Integer> into = later(config) ? every : stored(config) ? first : null;
        if (into != null) {
            SiteNames.select(config.sites(), shape).sites().forEach(site -> into.add(site.index()));
        }
    }

    /** The training whose ledger serves an erasure; null: whichever is made anyway. */
    Plan of(EraseConfig config) {
        boolean one = every.containsAll(first);
        if (every.isEmpty() && first.isEmpty()) {
            return NONE;
        }
        return one || later(config) ? new Plan(CapturePolicy.ALL, selector(every))
                : new Plan(CapturePolicy.FIRST, selector(first));
    }

    private static boolean later(EraseConfig config) {
        return config != null && config.strategy().usesLedger() && !config.storedEpochs().equals(Epochs.FIRST);
    }

    private static boolean stored(EraseConfig config) {
        return config != null && (config.strategy().usesLedger() || config.contrast().kind() != Contrast.Kind.NONE);
    }

    private String selector(Set<Integer> chosen) {
        List<Site> sites = SiteNames.of(shape);
        return chosen.size() == sites.size() ? "all"
                : String.join(",", chosen.stream().map(index -> sites.get(index).name()).toList());
    }
}
