package dev.lethe.eval;

import dev.lethe.engine.Generation;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.metric.Rouge;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * What a model says when it is given a record's beginning: greedy continuation of the prompt, until the model ends it or
 * has said {@link #ANSWER_TOKENS}, compared with the record's by ROUGE, as eval_text_similarity of OpenUnlearning
 * (src/evals/metrics/utils.py, configs/generation/default.yaml) has it. A record without a prompt is split in the middle
 * of its tokens. Left out: its clean-up of blanks before punctuation, which changes words of texts that have such alone.
 */
public final class Continuations {
    /** The most new tokens of a continuation unless told otherwise: OpenUnlearning's max_new_tokens. */
    public static final int ANSWER_TOKENS = 200;

    private static final int RECORDS_PER_BATCH = 32;

    private Continuations() {}

    /**
     * One record's continuation. Scores compare {@code generated} with {@code reference}; both are null where ROUGE cannot
     * read the reference.
     */
    public record Continuation(String id, String prompt, String reference, String generated, Rouge.Scores scores,
                               Rouge.Scores stemmed) {}

    /**
     * Continues each example by up to {@link #ANSWER_TOKENS}.
     *
     * @param decode ids to text
     * @param endOfText the id that ends a record, -1 for none; neither compared nor shown
     * @return one an example, in the same order
     */
    public static List<Continuation> greedy(LanguageModel model, List<Example> examples, Function<int[], String> decode,
                                            int endOfText) {
        return greedy(model, examples, decode, endOfText, ANSWER_TOKENS);
    }

    /**
     * As the other.
     *
     * @param newTokens the most it may say; 0 = as many as the record's own continuation has
     */
    public static List<Continuation> greedy(LanguageModel model, List<Example> examples, Function<int[], String> decode,
                                            int endOfText, int newTokens) {
        return Work.run("evaluation", () -> spoken(model, examples, decode, endOfText, newTokens));
    }

    private static List<Continuation> spoken(LanguageModel model, List<Example> examples, Function<int[], String> decode,
                                             int endOfText, int newTokens) {
        List<Continuation> all = new ArrayList<>(examples.size());
        for (int start = 0; start < examples.size(); start += RECORDS_PER_BATCH) {
            Work.check("evaluation interrupted after " + start + " continuations");
            List<Split> splits = examples.subList(start, Math.min(examples.size(), start + RECORDS_PER_BATCH)).stream()
                    .map(example -> Split.of(example, endOfText)).toList();
            int longest = newTokens > 0 ? newTokens : splits.stream().mapToInt(split -> split.wanted.length).max().orElse(1);
            int[][] generated = model.generate(splits.stream().map(Split::prompt).toList(),
                    new Generation(Math.max(longest, 1), 1, 1.0, 0, endOfText));
            for (int b = 0; b < splits.size(); b++) {
                int kept = newTokens > 0 ? generated[b].length : Math.min(generated[b].length, splits.get(b).wanted.length);
                all.add(continuation(splits.get(b), Arrays.copyOf(generated[b], kept), decode));
            }
        }
        return all;
    }

    /** Those that have scores, in the same order. */
    public static List<Continuation> scored(List<Continuation> continuations) {
        return continuations.stream().filter(continuation -> continuation.scores != null).toList();
    }

    /** Mean ROUGE-L recall, words stemmed, of those that have scores: the field's summary of answers; NaN for none. */
    public static double meanRougeLRecall(List<Continuation> continuations) {
        return scored(continuations).stream().mapToDouble(c -> c.stemmed.rougeL().recall()).average().orElse(Double.NaN);
    }

    private static Continuation continuation(Split split, int[] generated, Function<int[], String> decode) {
        String wanted = decode.apply(split.wanted).strip();
        String given = decode.apply(generated).strip();
        boolean reads = Rouge.reads(wanted);
        return new Continuation(split.id, decode.apply(split.prompt), wanted, given,
                reads ? Rouge.score(wanted, given, false) : null, reads ? Rouge.score(wanted, given, true) : null);
    }

    /** A record's ids cut into what is given and what should follow, end of text left off. */
    public record Split(String id, int[] prompt, int[] wanted) {
        public static Split of(Example example, int endOfText) {
            int[] prompt = example.promptTokens();
            int[] wanted = example.saidTokens(endOfText);
            int moved = prompt.length == 1 ? wanted.length / 2 : 0; // no prompt of its own: the first half of the text is one
            int[] longer = Arrays.copyOf(prompt, prompt.length + moved);
            System.arraycopy(wanted, 0, longer, prompt.length, moved);
            return new Split(example.id(), longer, Arrays.copyOfRange(wanted, moved, wanted.length));
        }
    }
}
