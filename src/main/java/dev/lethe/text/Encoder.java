package dev.lethe.text;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Problems;
import dev.lethe.base.Reason;
import dev.lethe.data.Conversation;
import dev.lethe.data.DataForm;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Batch;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.settings.TrainConfig.OnLong;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Records into token ids: prompt, completion, end of text; conversations as their chat template has them. The prompt carries
 * no loss, and neither does the first token of a record without one, for nothing comes before it. A context of c gives c
 * predictions, so at most c + 1 ids are kept. Not safe for several threads at a time, unless its tokenizer is and nobody
 * asks for the count.
 */
public final class Encoder {
    private final Function<String, int[]> tokenizer;
    private final ChatTokenizer chat;
    private final int endOfText;
    private final int context;
    private final OnLong onLong;
    private int truncated;

    /** An encoder that refuses conversations. */
    public Encoder(Function<String, int[]> tokenizer, int endOfText, int context, OnLong onLong) {
        this(tokenizer, (_, _, _) -> {
            throw new BadInputException("is a conversation, for which there is no chat template here");
        }, endOfText, context, onLong);
    }

    /**
     * @param tokenizer text to ids, adding no special tokens of its own
     * @param chat      messages to ids
     * @param endOfText id put behind every record that is no conversation, or -1 for none
     * @param context   positions of the model
     */
    public Encoder(Function<String, int[]> tokenizer, ChatTokenizer chat, int endOfText, int context, OnLong onLong) {
        if (context < 1) {
            throw new IllegalArgumentException("context " + context + " must be at least 1");
        }
        this.tokenizer = tokenizer;
        this.chat = chat;
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
    public List<Example> encode(List<TextRecord> records) {
        truncated = 0;
        Problems problems = new Problems();
        Map<String, List<String>> refused = new LinkedHashMap<>(); // by reason: what is wrong with a template is so for all
        List<Example> examples = new ArrayList<>(records.size());
        for (int i = 0; i < records.size(); i++) {
            Example example = example(records.get(i), i, refused, problems);
            if (example != null) {
                examples.add(example);
                truncated += example.truncated() ? 1 : 0;
            }
        }
        refused.forEach((reason, ids) -> problems.add("record " + ids.getFirst() + (ids.size() == 1 ? "" : " and "
                + (ids.size() - 1) + " others") + ": " + reason));
        problems.throwIfAny();
        return List.copyOf(examples);
    }

    /** How many records of the last {@link #encode} were cut to fit the context. */
    public int truncated() {
        return truncated;
    }

    private Example example(TextRecord record, int index, Map<String, List<String>> refused, Problems problems) {
        int[] ids;
        int[] learned; // [T] whether an id carries loss
        try {
            if (record.conversation() != null) {
                int[][] tokens = conversation(record.conversation());
                ids = tokens[0];
                learned = tokens[1];
            } else {
                int[] prompt = record.prompt() == null ? new int[0] : tokenizer.apply(record.prompt());
                ids = join(prompt, tokenizer.apply(record.continuation()));
                learned = new int[ids.length];
                Arrays.fill(learned, prompt.length, ids.length, 1);
            }
        } catch (BadInputException e) {
            refused.computeIfAbsent(Reason.of(e), _ -> new ArrayList<>()).add(record.id());
            return null;
        }
        int kept = Math.min(ids.length, context + 1);
        if (ids.length > kept && onLong == OnLong.ERROR) {
            problems.add("record " + record.id() + ": " + ids.length + " tokens, the model's context allows "
                    + (context + 1) + "; shorten it, or truncate");
            return null;
        }
        int first = 1; // nothing comes before the first id, so it is never learned
        while (first < ids.length && learned[first] == 0) {
            first++;
        }
        if (kept <= first) {
            problems.add("record " + record.id() + ": " + (ids.length <= first
                    ? "has no token to learn" : "its prompt of " + first
                            + " tokens alone fills the context of " + context + ", nothing is left to learn; shorten it"));
            return null;
        }
        int[] targets = new int[kept - 1];
        for (int t = 0; t < targets.length; t++) {
            targets[t] = learned[t + 1] == 1 ? ids[t + 1] : Batch.IGNORE;
        }
        return new Example(record.id(), index, Arrays.copyOf(ids, kept - 1), targets, kept < ids.length);
    }

    private int[][] conversation(Conversation conversation) {
        DataForm form = conversation.form();
        int[][] tokens = chat.chat(conversation.messages(), form.variables(), form.loss() == DataForm.Loss.ASSISTANT);
        int length = tokens[0].length;
        if (!form.endToken() || endOfText < 0 || length > 0 && tokens[0][length - 1] == endOfText) {
            return tokens;
        }
        int[] ids = Arrays.copyOf(tokens[0], length + 1);
        int[] learned = Arrays.copyOf(tokens[1], length + 1);
        ids[length] = endOfText;
        learned[length] = 1;
        return new int[][] {ids, learned};
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

    /** A model's chat template and tokenizer together, as {@code Tokenizer.chat} of the model package. */
    @FunctionalInterface
    public interface ChatTokenizer {
        /**
         * The ids of messages, and as many marks.
         *
         * @param assistantOnly whether marks are 1 where the assistant speaks, and not everywhere
         * @return [2][T]: ids, marks
         * @throws dev.lethe.base.BadInputException where the template refuses them or there is none
         */
        int[][] chat(List<Map<String, String>> messages, Map<String, String> variables, boolean assistantOnly);
    }
}
