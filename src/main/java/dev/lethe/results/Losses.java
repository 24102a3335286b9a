package dev.lethe.results;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * The losses that steer and judge an erasure, nats a token.
 *
 * @param forget  of the forget set
 * @param retain  of the sampled retain records
 * @param heldOut of the held-out records, NaN when there are none
 * @param keep    of the watched text that is to be kept besides, NaN when there is none or it was not measured
 */
public record Losses(double forget, double retain, double heldOut, double keep) {
    /** An account of before there was such text has none. */
    @JsonCreator
    static Losses read(@JsonProperty("forget") double forget, @JsonProperty("retain") double retain,
                       @JsonProperty("heldOut") double heldOut, @JsonProperty("keep") Double keep) {
        return new Losses(forget, retain, heldOut, keep == null ? Double.NaN : keep);
    }

    /**
     * Without text to keep.
     *
     * @param forget what was found
     * @param retain nats a token
     * @param heldOut nats a token, NaN without any
     */
    public Losses(double forget, double retain, double heldOut) {
        this(forget, retain, heldOut, Double.NaN);
    }

    /**
     * {@return the same but for the forget loss}
     *
     * @param loss nats a token
     */
    public Losses withForget(double loss) {
        return new Losses(loss, retain, heldOut, keep);
    }

    /**
     * {@return the same but for the held-out loss}
     *
     * @param loss nats a token
     */
    public Losses withHeldOut(double loss) {
        return new Losses(forget, retain, loss, keep);
    }
}
