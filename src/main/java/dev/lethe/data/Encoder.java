package dev.lethe.data;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Reason;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * Records into token ids: prompt, completion, end of text. The prompt carries no loss, and neither does the first token
 * of a record without one, for nothing comes before it. A context of c gives c predictions, so at most c + 1 ids are
 * kept. Not safe for several threads at a time, unless its tokenizer is and nobody asks for the count.
 */
public final class Encoder {
    private final Function<String, int[]> tokenizer;
    private final int endOfText;
    private final int context;
    private final OnLong onLong;
    private int truncated;

    /**
     * @param tokenizer text to ids, adding no special tokens of its own
     * @param endOfText id put behind every record, or -1 for none
     * @param context   positions of the model
     */
    public Encoder(Function<String, int[]> tokenizer, int endOfText, int context, OnLong onLong) {
        if (context < 1) {
            throw new IllegalArgumentException("context " + context + " must be at least 1");
        }
        this.tokenizer = tokenizer;
        this.endOfText = endOfText;
        this.context = context;
        this.onLong = onLong;
    }

    /**
     * One example a record, in the same order.
     *
     * @throws BadInputException listing records that are too long ({@link OnLong#ERROR}) or that the tokenizer refuses, that
     *         have no token to learn within the context, or that are a single token without an end
     */
    public List<Example> encode(List<Record> records) {
        truncated = 0;
        Problems problems = new Problems();
        List<Example> examples = new ArrayList<>(records.size());
        for (int i = 0; i < records.size(); i++) {
            Example example = example(records.get(i), i, problems);
            if (example != null) {
                examples.add(example);
                truncated += example.truncated() ? 1 : 0;
            }
        }
        problems.throwIfAny();
        return List.copyOf(examples);
    }

    /** How many records of the last {@link #encode} were cut to fit the context. */
    public int truncated() {
        return truncated;
    }

    private Example example(Record record, int index, Problems problems) {
        int[] prompt;
        int[] completion;
        try {
            prompt = record.prompt() == null ? new int[0] : tokenizer.apply(record.prompt());
            completion = tokenizer.apply(record.continuation());
        } catch (BadInputException e) {
            problems.add("record " + record.id() + ": " + Reason.of(e));
            return null;
        }
        int[] ids = join(prompt, completion);
        int firstTarget = Math.max(prompt.length, 1);
        int kept = Math.min(ids.length, context + 1);
        if (ids.length > kept && onLong == OnLong.ERROR) {
            problems.add("record " + record.id() + ": " + ids.length + " tokens, the model's context allows "
                    + (context + 1) + "; shorten it, or use --on-long truncate");
            return null;
        }
        if (kept <= firstTarget) {
            problems.add("record " + record.id() + ": " + (ids.length <= firstTarget
                    ? "has no token to learn" : "its prompt of " + prompt.length
                            + " tokens alone fills the context of " + context + ", nothing is left to learn; shorten it"));
            return null;
        }
        int[] targets = Arrays.copyOfRange(ids, 1, kept);
        Arrays.fill(targets, 0, firstTarget - 1, Batch.IGNORE);
        return new Example(record.id(), index, Arrays.copyOf(ids, kept - 1), targets, kept < ids.length);
    }

    private int[] join(int[] prompt, int[] completion) {
        int end = endOfText >= 0 ? 1 : 0;
        int[] ids = Arrays.copyOf(prompt, prompt.length + completion.length + end);
        System.arraycopy(completion, 0, ids, prompt.length, completion.length);
        if (end == 1) {
            ids[ids.length - 1] = endOfText;
        }
        return ids;
    }
}
