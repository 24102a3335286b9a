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
     * The mean loss of held-out tokens under the weights before the erasure, of at most 256 records, weighed to be as hard as the
     * forget records' to one who knows the retain records (docs/strategies.md); of a request in its own words, as they are. With fewer than
     * 128 tokens the forget set's loss under an adapter's base, or under the model that an adopted one was fine-tuned from; where
     * there is none, those tokens' as they are.
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
