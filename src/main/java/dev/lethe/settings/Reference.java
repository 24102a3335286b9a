package dev.lethe.settings;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.nio.file.Path;

/** What "never seen" looks like: the forget loss at which an erasure stops. */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "kind")
@JsonSubTypes({
        @JsonSubTypes.Type(value = Reference.HeldOut.class, name = "held_out"),
        @JsonSubTypes.Type(value = Reference.Loss.class, name = "loss"),
        @JsonSubTypes.Type(value = Reference.Retrained.class, name = "retrained")})
public sealed interface Reference {
    /**
     * The mean token loss of the run's held-out records under the weights before the erasure; in a run of an adapter the forget
     * set's loss under its base, and in one adopted with the model that it was fine-tuned from, under that.
     */
    record HeldOut() implements Reference { }

    /**
     * A mean token loss in nats.
     *
     * @param nats a token
     */
    record Loss(double nats) implements Reference {
        /**
     * Validates.
     *
     * @throws IllegalArgumentException unless finite and above 0
     */
        public Loss {
            if (!(nats > 0 && Double.isFinite(nats))) {
                throw new IllegalArgumentException("target loss is " + nats + ", must be finite and above 0");
            }
        }
    }

    /**
     * The forget set's loss under another run's model, one trained without the records; {@code run} or a model folder.
     *
     * @param run a run or model folder that never saw the records
     */
    record Retrained(Path run) implements Reference { }
}
