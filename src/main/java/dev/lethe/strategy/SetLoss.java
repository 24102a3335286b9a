/* Mean token loss of a list of examples, in micro-batches, so that memory does not grow with the list. */
package dev.lethe.strategy;

import dev.lethe.data.BatchPlan;
import dev.lethe.data.Example;
import dev.lethe.engine.LanguageModel;
import java.util.List;
import java.util.stream.IntStream;

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
}
