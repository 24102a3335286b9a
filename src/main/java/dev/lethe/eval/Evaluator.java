package dev.lethe.eval;

import dev.lethe.engine.Batch;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.metric.MembershipScores;
import dev.lethe.results.Evaluation;
import dev.lethe.results.Evaluation.RecordMeasures;
import dev.lethe.results.RecordMetric;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntConsumer;

/**
 * Runs records through a model, forward only, and turns each token's prediction into {@link RecordMeasures}s. Batches hold
 * whole records up to a number of tokens; a record's score does not depend on its neighbours. Use on the thread that
 * owns the model, which waits while a thread of Lethe's works for it ({@link Work}); an interrupt ends it with
 * {@link dev.lethe.base.InterruptedWorkException}.
 */
public final class Evaluator {
    private static final int DEFAULT_BATCH_TOKENS = 2048;

    private final int batchTokens;
    private final IntConsumer progress;
    private final double minK;

    public Evaluator() {
        this(DEFAULT_BATCH_TOKENS, done -> { });
    }

    /** @param progress told the number of records done, after each batch, on the working thread */
    public Evaluator(IntConsumer progress) {
        this(DEFAULT_BATCH_TOKENS, progress);
    }

    /**
     * @param batchTokens tokens a forward pass holds at most (a single longer record makes a batch of its own)
     * @param progress told the number of records done, after each batch, on the working thread
     */
    public Evaluator(int batchTokens, IntConsumer progress) {
        this(batchTokens, progress, MembershipScores.K);
    }

    private Evaluator(int batchTokens, IntConsumer progress, double minK) {
        if (batchTokens < 1) {
            throw new IllegalArgumentException("tokens of a batch must be at least 1, got " + batchTokens);
        }
        if (!(minK > 0 && minK <= 1)) {
            throw new IllegalArgumentException("k of Min-K% must be above 0 and at most 1, got " + minK);
        }
        this.batchTokens = batchTokens;
        this.progress = progress;
        this.minK = minK;
    }

    /** As this one, with another share of tokens for Min-K% and Min-K%++ than {@link MembershipScores#K}; (0, 1]. */
    public Evaluator withMinK(double k) {
        return new Evaluator(batchTokens, progress, k);
    }

    /** As the other, without texts: {@link RecordMetric#ZLIB} then has no value. */
    public Evaluation evaluate(LanguageModel model, List<Example> examples) {
        return evaluate(model, examples, example -> null);
    }

    /**
     * Scores every example.
     *
     * @param text what an example's targets spell without the end of text ({@link Example#saidTokens}), for
     *        {@link RecordMetric#ZLIB}; null where it is not known
     * @throws dev.lethe.base.EngineException when a loss is not finite or the model refuses a token
     */
    public Evaluation evaluate(LanguageModel model, List<Example> examples, Function<Example, String> text) {
        List<RecordMeasures> scores = new ArrayList<>(examples.size());
        batches(examples, batch -> score(model, batch, text, scores));
        return Evaluation.of(scores);
    }

    /** The mean token loss of each example alone, in nats: cheaper than {@link #evaluate}. */
    public double[] losses(LanguageModel model, List<Example> examples) {
        double[] losses = new double[examples.size()];
        int[] done = {0};
        batches(examples, batch -> {
            double[] some = model.losses(joined(batch));
            System.arraycopy(some, 0, losses, done[0], some.length);
            done[0] += some.length;
        });
        return losses;
    }

    private void batches(List<Example> examples, Consumer<List<Example>> pass) {
        Work.run("evaluation", () -> {
            int start = 0;
            while (start < examples.size()) {
                Work.check("evaluation interrupted after " + start + " records");
                int end = endOfBatch(examples, start);
                pass.accept(examples.subList(start, end));
                progress.accept(end);
                start = end;
            }
        });
    }

    private static Batch joined(List<Example> examples) {
        return Batch.of(examples.stream().map(Example::tokens).toList(), examples.stream().map(Example::targets).toList());
    }

    private int endOfBatch(List<Example> examples, int start) {
        int end = start;
        long tokens = 0;
        do {
            tokens += examples.get(end++).tokens().length;
        } while (end < examples.size() && tokens + examples.get(end).tokens().length <= batchTokens);
        return end;
    }

    private void score(LanguageModel model, List<Example> examples, Function<Example, String> text,
                       List<RecordMeasures> into) {
        LanguageModel.TokenScores flat = model.score(joined(examples)); // arrays over [sum T]
        int offset = 0;
        for (int b = 0; b < examples.size(); b++) {
            Example example = examples.get(b);
            into.add(RecordMeasures.of(example.id(), targets(example, flat, offset, flat.losses()[b], text.apply(example))));
            offset += example.tokens().length;
        }
    }

    /** One record's targets, from the scores of its tokens, which begin at {@code offset} in the flat arrays. */
    RecordMetric.Targets targets(Example example, LanguageModel.TokenScores flat, int offset, double loss, String text) {
        int[] targets = example.targets();
        double[] logProbability = new double[targets.length];
        double[] mean = new double[targets.length];
        double[] deviation = new double[targets.length];
        boolean[] hits = new boolean[targets.length];
        int n = 0;
        for (int t = 0; t < targets.length; t++) {
            if (targets[t] != Batch.IGNORE) {
                logProbability[n] = flat.logProbability()[offset + t];
                mean[n] = flat.mean()[offset + t];
                deviation[n] = flat.deviation()[offset + t];
                hits[n++] = flat.greedyHit()[offset + t];
            }
        }
        int said = Math.max(n - 1, 0); // without the last, which ends the text
        return new RecordMetric.Targets(n, loss, Arrays.copyOf(logProbability, said), Arrays.copyOf(mean, said),
                Arrays.copyOf(deviation, said), Arrays.copyOf(hits, said), text, minK);
    }
}
