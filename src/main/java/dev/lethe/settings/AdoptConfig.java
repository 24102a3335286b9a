package dev.lethe.settings;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * How a model is adopted that was trained elsewhere: what is known of that training, and what to keep of the records. Immutable.
 *
 * @param training      epochs, batch and peak rate of that training as far as known, sites to keep, records never seen
 * @param base          folder of the model before fine-tuning, or null: what the model knows of a record beyond it was learned;
 *                      not asked of an adapter, which has one
 * @param measureRate   whether the learning rate is to be found by trial in place of the training's
 * @param epochsAssumed whether the epochs are an assumption
 * @param force         adopt although the data does not look like what the model learned
 */
public record AdoptConfig(TrainConfig training, @Nullable Path base, boolean measureRate, boolean epochsAssumed, boolean force) {
    private static final int EPOCHS = 3;

    /** {@return nothing is known: three epochs are assumed, and the rate is found by trial} */
    public static AdoptConfig defaults() {
        return builder().build();
    }

    /** {@return A builder that starts from {@link #defaults}} */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects what is known. Not thread-safe. */
    public static final class Builder {
        private TrainConfig.Builder training = TrainConfig.builder().epochs(EPOCHS);
        private @Nullable Path base;
        private boolean rateKnown;
        private boolean epochsKnown;
        private boolean force;

        private Builder() { }

        /** {@return this} What is kept of the records, and the seed; call it first, for epochs, batch and rate are set there too.
         * @param value it */
        public Builder training(TrainConfig value) { training = value.toBuilder().epochs(EPOCHS); return this; }

        /** {@return this} Whole passes of that training over its records, which an erasure's budget is a share of.
         * @param value it */
        public Builder epochs(int value) {
            training.epochs(value);
            epochsKnown = true;
            return this;
        }

        /** {@return this} Peak learning rate of that training, which an erasure repairs with.
         * @param value it */
        public Builder learningRate(double value) {
            training.learningRate(value);
            rateKnown = true;
            return this;
        }

        /** {@return this} Records a step, then and now.
         * @param value it */
        public Builder batchSize(int value) { training.batchSize(value); return this; }

        /** {@return this} A file of records like these that the model never saw, or null.
         * @param value it */
        public Builder heldOut(@Nullable Path value) { training.holdoutData(value); return this; }

        /** {@return this} The model before that training, or null.
         * @param value it */
        public Builder base(@Nullable Path value) { base = value; return this; }

        /** {@return this} Whether to adopt although the data does not look like what the model learned.
         * @param value it */
        public Builder force(boolean value) { force = value; return this; }

        /**
         * Validates.
         *
         * @return the configuration
         * @throws dev.lethe.LetheException of code INPUT, listing every value out of range
         */
        public AdoptConfig build() {
            return new AdoptConfig(training.build(), base, !rateKnown, !epochsKnown, force);
        }
    }
}
