package dev.lethe.erase;

import dev.lethe.strategy.InfluenceChange;
import dev.lethe.strategy.Losses;
import java.util.List;

/**
 * The account of an erasure that was carried out in memory only, to be measured and thrown away: nothing was written, no
 * guard refused it, no relearning was probed.
 *
 * @param target     forget loss aimed at, nats a token
 * @param before     losses before the first step
 * @param after      losses at the end
 * @param ascents    ascent steps kept
 * @param repairs    repair steps taken
 * @param trainSteps optimizer steps of the source run's training
 * @param broken     what the guards of the configuration would have refused it for; empty when it would have passed
 * @param influence  influence of the training records on the forget set's loss, before and after
 */
public record Trial(double target, Losses before, Losses after, int ascents, int repairs, long trainSteps,
                    List<String> broken, InfluenceChange influence) {
    public Trial {
        broken = List.copyOf(broken);
    }
}
