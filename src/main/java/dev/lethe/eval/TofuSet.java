package dev.lethe.eval;

import dev.lethe.metric.TruthRatio;

/** The four sets of TOFU's evaluation, and what differs between them. */
public enum TofuSet {
    /** Records to be forgotten: the truth ratio is best at 1. */
    FORGET("forget", true, TruthRatio.Aggregation.CLOSER_TO_ONE),
    /** Learned records that should stay. */
    RETAIN("retain", true, TruthRatio.Aggregation.TRUE_BETTER),
    /** Questions on real authors, with wrong answers to choose from. */
    REAL_AUTHORS("real_authors", false, TruthRatio.Aggregation.TRUE_BETTER),
    /** Questions on the world, with wrong answers to choose from. */
    WORLD_FACTS("world_facts", false, TruthRatio.Aggregation.TRUE_BETTER);

    private final String label;
    private final boolean learned;
    private final TruthRatio.Aggregation aggregation;

    TofuSet(String label, boolean learned, TruthRatio.Aggregation aggregation) {
        this.label = label;
        this.learned = learned;
        this.aggregation = aggregation;
    }

    /** Name in results. */
    public String label() {
        return label;
    }

    /**
     * Whether the model was trained on the set: then the truth ratio's right answer is a paraphrase, which every record
     * must have; else it is the answer itself, and its probability is that among the options.
     */
    public boolean learned() {
        return learned;
    }

    @Override
    public String toString() {
        return label;
    }

    /** How the truth ratios become one number. */
    public TruthRatio.Aggregation aggregation() {
        return aggregation;
    }
}
