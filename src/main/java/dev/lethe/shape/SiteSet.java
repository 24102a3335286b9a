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

    /**
     * Every site of a model that is trained.
     *
     * @param sites of the model, in its order
     * @return the set
     */
    public static SiteSet all(List<Site> sites) {
        BitSet bits = new BitSet(sites.size());
        sites.stream().filter(site -> !site.frozen()).forEach(site -> bits.set(site.index()));
        return new SiteSet(List.copyOf(sites), bits);
    }

    /**
     * The sites with exactly these names, as a ledger's manifest lists them.
     *
     * @param sites of the model, in its order
     * @param names of sites
     * @return the set
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

    /**
     * {@return whether a site of the model is among them}
     *
     * @param site of the model
     */
    public boolean contains(Site site) {
        return chosen.get(site.index());
    }

    /**
     * {@return whether the site at this index of {@code LanguageModel.sites()} is selected}
     *
     * @param index of a site
     */
    public boolean contains(int index) {
        return chosen.get(index);
    }

    /**
     * {@return whether every site of the other set is in this one}
     *
     * @param other what it is compared with
     */
    public boolean containsAll(SiteSet other) {
        return all.equals(other.all) && other.chosen.stream().allMatch(chosen::get);
    }

    /** {@return whether no site is among them} */
    public boolean isEmpty() {
        return chosen.isEmpty();
    }

    /** {@return sites selected} */
    public int size() {
        return chosen.cardinality();
    }

    /** {@return the selected sites in the model's order} */
    public List<Site> sites() {
        return all.stream().filter(this::contains).toList();
    }

    /** {@return the selected sites' names in the model's order} */
    public List<String> names() {
        return all.stream().filter(this::contains).map(Site::name).toList();
    }

    /**
     * {@return whether these are the sites of the model it was selected from, or of one with the same sites}
     *
     * @param sites of the model, in its order
     */
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
