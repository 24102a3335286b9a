package dev.lethe.shape;

import java.util.BitSet;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** An immutable selection of the sites of one model; equal to one that selects the same names of an equal model. */
public final class SiteSet {
    private final List<Site> all;
    private final BitSet chosen;

    SiteSet(List<Site> all, BitSet chosen) {
        this.all = all;
        this.chosen = chosen;
    }

    /** Every site of a model that is trained. */
    public static SiteSet all(List<Site> sites) {
        BitSet bits = new BitSet(sites.size());
        sites.stream().filter(site -> !site.frozen()).forEach(site -> bits.set(site.index()));
        return new SiteSet(List.copyOf(sites), bits);
    }

    /**
     * The sites with exactly these names, as a ledger's manifest lists them.
     *
     * @throws IllegalArgumentException naming the ones the model lacks, or has frozen
     */
    public static SiteSet of(List<Site> sites, Collection<String> names) {
        BitSet bits = new BitSet(sites.size());
        TreeSet<String> missing = new TreeSet<>(names);
        for (Site site : sites) {
            if (!site.frozen() && names.contains(site.name())) {
                bits.set(site.index());
                missing.remove(site.name());
            }
        }
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException("the model has no site " + String.join(", ", missing) + "; it has "
                    + SiteSelector.describe(sites));
        }
        return new SiteSet(List.copyOf(sites), bits);
    }

    public boolean contains(Site site) {
        return chosen.get(site.index());
    }

    /** Whether the site at this index of {@code LanguageModel.sites()} is selected. */
    public boolean contains(int index) {
        return chosen.get(index);
    }

    /** Whether every site of the other set is in this one. */
    public boolean containsAll(SiteSet other) {
        return all.equals(other.all) && other.chosen.stream().allMatch(chosen::get);
    }

    public boolean isEmpty() {
        return chosen.isEmpty();
    }

    /** Sites selected. */
    public int size() {
        return chosen.cardinality();
    }

    /** The selected sites in the model's order. */
    public List<Site> sites() {
        return all.stream().filter(this::contains).toList();
    }

    /** The selected sites' names in the model's order. */
    public List<String> names() {
        return all.stream().filter(this::contains).map(Site::name).toList();
    }

    /** Whether these are the sites of the model it was selected from, or of one with the same sites. */
    public boolean belongsTo(List<Site> sites) {
        return all == sites || all.equals(sites);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof SiteSet set && chosen.equals(set.chosen) && all.equals(set.all);
    }

    @Override
    public int hashCode() {
        return chosen.hashCode();
    }

    @Override
    public String toString() {
        return names().stream().collect(Collectors.joining(", ", "{", "}"));
    }
}
