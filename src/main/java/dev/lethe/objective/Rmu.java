/*
 * Representation misdirection (Li et al. 2024, WMDP, arXiv 2403.03218, equations 1 and 2): descends
 *
 *     gamma mean_b mean_{t,c} (h - c u)^2 + alpha mean_b mean_{t,c} (h - h_ref)^2,
 *
 * the first over forget and the second over retain records, h the residual stream after a block, u a random direction of
 * length 1 with no negative part, h_ref the model before the erasure. The paper moves the MLP outputs of that block and of
 * the two below it; here the sites are the configuration's, and nothing above the block has a gradient.
 */
package dev.lethe.objective;

import static dev.lethe.settings.Parameter.BLOCK;
import static dev.lethe.settings.Parameter.STEERING;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.Tuning;
import dev.lethe.text.Example;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

public final class Rmu implements Objective {
    private final LanguageModel model;
    private final LanguageModel reference;
    private final Tuning tuning;
    private final int block;
    private final double[] toward; // c u, [C]

    /** Takes the model as it is now for the reference. */
    public Rmu(Engine engine, LanguageModel model, Tuning tuning, long seed) {
        this(engine, model, tuning, direction(Math.toIntExact(model.shape().channels()), tuning.get(STEERING), seed));
    }

    /** @param toward c u, [C] */
    public Rmu(Engine engine, LanguageModel model, Tuning tuning, double[] toward) {
        int blocks = Math.toIntExact(model.shape().layers());
        int chosen = (int) tuning.get(BLOCK);
        if (chosen >= blocks) {
            throw new BadInputException("block " + chosen + ": the model has blocks 0 to " + (blocks - 1));
        }
        this.model = model;
        this.tuning = tuning;
        this.block = chosen < 0 ? blocks / 2 : chosen;
        this.toward = toward;
        this.reference = Objective.copy(engine, model);
    }

    private static double[] direction(int channels, double length, long seed) {
        double[] direction = new SplittableRandom(seed).doubles(channels).toArray();
        double norm = Math.sqrt(Arrays.stream(direction).map(x -> x * x).sum());
        return Arrays.stream(direction).map(x -> x * length / norm).toArray();
    }

    @Override
    public double gradient(List<Example> forget, List<Example> retain) {
        double value = sum(model.distances().hiddenGradient(batch(forget, forgetWeight()), block, toward, false),
                forgetWeight());
        if (usesRetain()) {
            value += sum(model.distances().hiddenGradient(batch(retain, retainWeight()), block, reference, true),
                    retainWeight());
        }
        return value;
    }

    private static Batch batch(List<Example> records, double weight) {
        double[] weights = new double[records.size()];
        Arrays.fill(weights, weight / weights.length);
        return WeightedLoss.batch(records).withWeights(weights);
    }

    private static double sum(double[] values, double weight) {
        return weight * Arrays.stream(values).average().orElse(0);
    }

    @Override
    public Tuning tuning() {
        return tuning;
    }

    @Override
    public void close() {
        reference.close();
    }
}
