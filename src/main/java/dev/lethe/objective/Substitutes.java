/*
 * The beginnings of forget records with the ends of retain records behind them, as a model that never saw the first goes on: with
 * something that it knows. An ascent and a match of quantiles leave behind a beginning whatever word they happened to raise, said over
 * and over, by which anyone who asks sees whose records were erased. What a step of repair descends besides: the mean loss a token of
 * a batch of such ends, of other pairs each time. Nearest to it is AltPO (Mekala et al. 2024, arXiv 2409.13474), which has other
 * answers written for each question and prefers them to the record's; here nothing is written, and the record's is not in it.
 */
package dev.lethe.objective;

import dev.lethe.engine.Batch;
import dev.lethe.engine.LanguageModel;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune.BatchCycle;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** One erasure's; on its model's thread. */
public final class Substitutes {
    private final LanguageModel model;
    private final BatchCycle forget;
    private final List<Example> retain;
    private final int batchSize;
    private final Random random;

    /**
     * @param retain    at least one
     * @param batchSize of forget records a step
     */
    public Substitutes(LanguageModel model, List<Example> forget, List<Example> retain, int batchSize, long seed) {
        this.model = model;
        this.retain = List.copyOf(retain);
        this.batchSize = Math.min(batchSize, forget.size());
        this.forget = new BatchCycle(forget, batchSize, seed);
        this.random = new Random(seed);
    }

    /** Adds the gradient of {@code weight} times that loss to the model's; of a batch that has what was left of them, so much less. */
    public void addGradient(double weight) {
        int context = Math.toIntExact(model.shape().context());
        List<Example> batch = forget.next().stream().map(record -> {
            Example other = retain.get(random.nextInt(retain.size()));
            return joined(record, other, 1 + random.nextInt(Math.max(1, record.tokens().length / 2)), context);
        }).toList();
        Batch weighed = WeightedLoss.batch(batch, WeightedLoss.shares(batch, weight * batch.size() / batchSize));
        double[] ones = new double[weighed.tokenCount()];
        Arrays.fill(ones, 1);
        model.distances().weighedGradient(weighed, ones, true);
    }

    /**
     * The first's prompt and the second's answer, cut to the context. Of a record without a prompt the first {@code cut} tokens are one,
     * and what stands as far on in the other is its answer.
     */
    static Example joined(Example first, Example second, int cut, int context) {
        int[] begin = first.promptTokens();
        int[] end = second.targetTokens();
        if (begin.length == 1) {
            begin = Arrays.copyOf(first.tokens(), cut);
            end = Arrays.copyOfRange(end, Math.min(cut, end.length) - 1, end.length);
        }
        int from = Math.min(begin.length, context) - 1; // the first that predicts a token of the end
        int length = Math.min(from + end.length, context);
        int[] tokens = Arrays.copyOf(begin, length);
        int[] targets = new int[length];
        Arrays.fill(targets, Batch.IGNORE);
        System.arraycopy(end, 0, targets, from, length - from);
        System.arraycopy(end, 0, tokens, from + 1, length - from - 1);
        return new Example(first.id(), first.index(), tokens, targets, false);
    }
}
