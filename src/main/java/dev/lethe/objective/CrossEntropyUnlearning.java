/*
 * Cross-entropy unlearning (Yang 2025, CE-U, arXiv 2503.01224; as OpenUnlearning has it): descends
 *
 *     gamma mean_t H(q_t, p_t),   q_t = the present prediction p_t with the target's probability made 0, a constant,
 *
 * over the forget batch's target tokens but the first of each record, which the paper leaves as it is. At the logits this is
 * p - q, which is p / (1 - p) of the target times that of ascent on its -log p: ascent that fades as the token does and
 * cannot run away. Sees no retain record.
 */
package dev.lethe.objective;

import dev.lethe.engine.Batch;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.List;

public record CrossEntropyUnlearning(LanguageModel model, Tuning tuning) implements Objective {
    /** Target tokens at a record's beginning that carry no loss. */
    private static final int LEFT = 1;
    /** What fp32 tells of 1 - p: below it the odds of a token are noise. */
    private static final double LEAST = Math.scalb(1.0, -20);

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        LanguageModel.TokenScores scores = model.score(WeightedLoss.batch(forget));
        int tokens = scores.logProbability().length;
        double[] weights = new double[tokens];
        double entropy = 0;
        int taken = 0;
        int position = 0;
        for (Example record : forget) {
            int seen = 0;
            for (int target : record.targets()) {
                if (target != Batch.IGNORE && ++seen > LEFT) {
                    double said = scores.logProbability()[position];
                    double others = Math.max(LEAST, -Math.expm1(said)); // 1 - p
                    weights[position] = -Math.exp(said) / others;
                    entropy -= (scores.mean()[position] - Math.exp(said) * said) / others;
                    taken++;
                }
                position++;
            }
        }
        double scale = forgetWeight() / Math.max(1, taken);
        double[] each = forget.stream().mapToDouble(record -> scale * Math.max(1, record.targetCount())).toArray();
        model.distances().weighedGradient(WeightedLoss.batch(forget, each), weights, false);
        return scale * entropy;
    }

    @Override
    public boolean usesRetain() {
        return false;
    }
}
