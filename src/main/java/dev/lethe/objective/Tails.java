/*
 * What an ascent overdoes: tokens of the forget records that it made less likely than any a model has that never saw them. Beside a
 * step of repair
 *
 *     mean_t max(0, l_t - c),   l_t the loss of target token t of a batch of forget records, c a quantile of the held-out records' tokens,
 *
 * is descended: it says of such a token only that it is as unlikely as others are, and nothing of the rest.
 */
package dev.lethe.objective;

import dev.lethe.engine.LanguageModel;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune.BatchCycle;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

public final class Tails {
    private final LanguageModel model;
    private final BatchCycle forget;
    private double[] there;
    private final List<Example> heldOut;
    private int calls;
    public static double mean = Double.POSITIVE_INFINITY;

    public Tails(LanguageModel model, List<Example> forget, List<Example> heldOut, int batchSize, double quantile, long seed) {
        this.model = model;
        this.forget = new BatchCycle(forget, batchSize, seed);
        this.heldOut = heldOut;
        look();
    }

    private double[] losses(List<Example> records) {
        return Arrays.stream(model.score(WeightedLoss.batch(records)).logProbability()).map(said -> -said).toArray();
    }

    private void look() {
        there = Arrays.stream(losses(heldOut)).filter(loss -> !Double.isNaN(loss)).sorted().toArray();
        mean = Arrays.stream(there).average().orElseThrow();
    }

    public static boolean on = !Boolean.getBoolean("x.polish");
    public void addGradient() {
        if (!on) {
            return;
        }
        if (calls++ % Integer.getInteger("x.look", 1000000) == 0) {
            look();
        }
        List<Example> batch = forget.next();
        double[] losses = losses(batch);
        double[] weights = new double[losses.length];
        Integer[] order = IntStream.range(0, losses.length).filter(t -> !Double.isNaN(losses[t])).boxed().sorted((a, b) -> Double.compare(losses[a], losses[b])).toArray(Integer[]::new);
        double scale = Double.parseDouble(System.getProperty("x.s", "2"));
        double up = Double.parseDouble(System.getProperty("x.up", "1"));
        double w = Double.parseDouble(System.getProperty("x.w", "1"));
        for (int r = 0; r < order.length; r++) {
            double at = (r + 0.5) / order.length * there.length - 0.5;
            int i = (int) Math.max(0, Math.min(there.length - 2, Math.floor(at)));
            double ref = there[i] + Math.max(0, Math.min(1, at - i)) * (there[i + 1] - there[i]);
            double x = Math.max(-1, Math.min(1, (losses[order[r]] - ref) / scale));
            weights[order[r]] = w * (x < 0 ? up * x : x);
        }
        model.distances().weighedGradient(WeightedLoss.batch(batch, WeightedLoss.shares(batch, 1)), weights, true);
    }
}
