package dev.lethe.strategy;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.lethe.EngineException;
import dev.lethe.Status;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.EraseData;
import dev.lethe.settings.FixedRate;

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

    /** Without text to keep. */
    public Losses(double forget, double retain, double heldOut) {
        this(forget, retain, heldOut, Double.NaN);
    }

    Losses withForget(double loss) {
        return new Losses(loss, retain, heldOut, keep);
    }

    Losses withHeldOut(double loss) {
        return new Losses(forget, retain, loss, keep);
    }

    static Losses measure(LanguageModel model, EraseData data) {
        return measure(model, data, SetLoss.mean(model, data.forget()));
    }

    /** As the other, with the forget loss known already. */
    static Losses measure(LanguageModel model, EraseData data, double forget) {
        return new Losses(forget, SetLoss.mean(model, data.guard()), SetLoss.mean(model, data.heldOut()),
                SetLoss.mean(model, data.keep()));
    }

    /**
     * As {@link #measure} after so many steps of a fixed rate.
     *
     * @throws GuardRefusedException when they have left no number
     */
    static Losses measure(LanguageModel model, EraseData data, FixedRate fixed, int steps) {
        try {
            return measure(model, data);
        } catch (EngineException e) {
            throw e.status() == Status.NOT_FINITE ? GuardRefusedException.notFinite(fixed, steps) : e;
        }
    }
}
