package dev.lethe.strategy;

import dev.lethe.LetheException;
import dev.lethe.base.EngineException;
import dev.lethe.engine.LanguageModel;
import dev.lethe.objective.EraseData;
import dev.lethe.results.Losses;
import dev.lethe.settings.FixedRate;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.List;
import java.util.stream.IntStream;

/** Mean token loss of a list of examples, in micro-batches, so that memory does not grow with the list. */
public final class SetLoss {
    /** Enough tokens to keep two to sixteen cores busy; more only costs memory. */
    static final int BATCH_TOKENS = 4096;

    private SetLoss() { }

    /** Sum of the target tokens' losses over their number, nats; NaN for an empty list. */
    public static double mean(LanguageModel model, List<Example> examples) {
        double sum = 0;
        long targets = 0;
        int from = 0;
        while (from < examples.size()) {
            int to = batchEnd(examples, from);
            double[] losses = model.losses(BatchPlan.batch(examples, IntStream.range(from, to).toArray()));
            for (int i = from; i < to; i++) {
                int count = examples.get(i).targetCount();
                sum += losses[i - from] * count;
                targets += count;
            }
            from = to;
        }
        return targets == 0 ? Double.NaN : sum / targets;
    }

    private static int batchEnd(List<Example> examples, int from) {
        int tokens = 0;
        int to = from;
        while (to < examples.size() && (to == from || tokens + examples.get(to).tokens().length <= BATCH_TOKENS)) {
            tokens += examples.get(to++).tokens().length;
        }
        return to;
    }

    static Losses measure(LanguageModel model, EraseData data) {
        return measure(model, data, mean(model, data.forget()));
    }

    /** As the other, with the forget loss known already. */
    static Losses measure(LanguageModel model, EraseData data, double forget) {
        return new Losses(forget, mean(model, data.guard()), mean(model, data.heldOut()),
                mean(model, data.keep()));
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
