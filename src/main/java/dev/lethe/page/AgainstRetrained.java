package dev.lethe.page;

import dev.lethe.spec.CellResult;
import java.util.Optional;

/** A result beside the model retrained with the same seed, head and forget set. */
enum AgainstRetrained {
    /** |forget loss - the retrained model's|, nats a token. */
    FORGET("forget distance", false, Quantity.POSITIVE) {
        @Override
        double of(CellResult result, CellResult retrained) {
            return Math.abs(Variant.value(result, "forget.loss") - Variant.value(retrained, "forget.loss"));
        }
    },
    /** Retain loss - the retrained model's, nats a token. */
    RETAIN("retain harm", false, Quantity.ANY) {
        @Override
        double of(CellResult result, CellResult retrained) {
            return Variant.value(result, "retain.loss") - Variant.value(retrained, "retain.loss");
        }
    },
    /** Loss after relearning, share of the retrained model's. */
    RELEARN("relearn share", true, Quantity.POSITIVE) {
        @Override
        double of(CellResult result, CellResult retrained) {
            return Variant.value(result, "relearn.share");
        }
    };

    final String label;
    final boolean moreIsBetter;
    private final Quantity quantity;

    AgainstRetrained(String label, boolean moreIsBetter, Quantity quantity) {
        this.label = label;
        this.moreIsBetter = moreIsBetter;
        this.quantity = quantity;
    }

    /** NaN where something was not measured. */
    abstract double of(CellResult result, CellResult retrained);

    /** NaN without a retrained model of the seed. */
    double of(Study study, Variant variant, long seed) {
        Optional<CellResult> retrained = study.retrained(variant).flatMap(reference -> reference.with(seed));
        Optional<CellResult> result = variant.with(seed);
        return result.isPresent() && retrained.isPresent() ? of(result.get(), retrained.get()) : Double.NaN;
    }

    /** Over the seeds. */
    Interval of(Study study, Variant variant) {
        return Interval.of(quantity, study.seeds().stream().mapToDouble(seed -> of(study, variant, seed)).toArray());
    }
}
