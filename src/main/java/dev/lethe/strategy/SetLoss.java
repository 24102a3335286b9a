package dev.lethe.strategy;

import dev.lethe.LetheException;
import dev.lethe.base.EngineException;
import dev.lethe.engine.LanguageModel;
import dev.lethe.objective.EraseData;
import dev.lethe.results.Losses;
import dev.lethe.settings.FixedRate;
import dev.lethe.text.Example;
import dev.lethe.train.SharedModel;
import java.util.List;

/** Mean token loss of a list of examples. */
public final class SetLoss {
    private SetLoss() { }

    /** Sum of the target tokens' losses over their number, nats; NaN for an empty list. */
    public static double mean(LanguageModel model, List<Example> examples) {
        return mean(SharedModel.alone(model), examples);
    }

    /** As the other, of a model that ranks share: each sees a part, all the same number. */
    public static double mean(SharedModel model, List<Example> examples) {
        if (examples.isEmpty()) {
            return Double.NaN;
        }
        double[] losses = model.losses(examples);
        double sum = 0;
        long targets = 0;
        for (int i = 0; i < losses.length; i++) {
            int count = examples.get(i).targetCount();
            sum += losses[i] * count;
            targets += count;
        }
        return targets == 0 ? Double.NaN : sum / targets;
    }

    static Losses measure(SharedModel model, EraseData data) {
        return measure(model, data, mean(model, data.forget()));
    }

    /** As the other, with the forget loss known already. */
    static Losses measure(SharedModel model, EraseData data, double forget) {
        return new Losses(forget, mean(model, data.guard()), mean(model, data.heldOut()),
                mean(model, data.keep()));
    }

    /**
     * As {@link #measure} after so many steps of a fixed rate.
     *
     * @throws GuardRefusedException when they have left no number
     */
    static Losses measure(SharedModel model, EraseData data, FixedRate fixed, int steps) {
        try {
            return measure(model, data);
        } catch (EngineException e) {
            throw e.status() == EngineException.Status.NOT_FINITE ? notFinite(fixed, steps) : e;
        }
    }

    static GuardRefusedException notFinite(FixedRate fixed, int steps) {
        return new GuardRefusedException("erasure refused, nothing was changed: after " + steps + " of the steps " + fixed
                + " the numbers are no longer finite; take a lower rate or fewer steps");
    }

    /**
     * An erasure was not carried out because it could not reach its reference, or only by breaking a utility guard. Nothing was
     * changed. The message says the figures and which setting would allow it.
     */
    public static final class GuardRefusedException extends LetheException {
        private static final long serialVersionUID = 1;

        /** With the figures. */
        public GuardRefusedException(String message) {
            super(Code.REFUSED, message, null);
        }
    }
}
