package dev.lethe.data;

import dev.lethe.engine.Batch;
import java.util.Arrays;

/**
 * A record as the model sees it: T inputs and, for each, the token to be predicted next.
 *
 * @param id        the record's id
 * @param index     its position in the list that was encoded
 * @param tokens    [T] input ids
 * @param targets   [T] already shifted: {@code targets[t]} follows {@code tokens[t]}; {@link Batch#IGNORE} inside the prompt
 * @param truncated whether its end was cut to fit the context
 */
public record Example(String id, int index, int[] tokens, int[] targets, boolean truncated) {
    public Example {
        if (tokens.length != targets.length || tokens.length == 0) {
            throw new IllegalArgumentException("record " + id + ": " + tokens.length + " tokens, " + targets.length
                    + " targets; must be equally many and at least one");
        }
    }

    /** Positions that carry a loss. */
    public int targetCount() {
        int count = 0;
        for (int target : targets) {
            count += target == Batch.IGNORE ? 0 : 1;
        }
        return count;
    }

    /** The ids before the first one that carries loss: what a continuation is generated from. Never empty. */
    public int[] promptTokens() {
        return Arrays.copyOf(tokens, firstTarget() + 1);
    }

    /** The ids that carry loss, end of text included when it was not cut off. */
    public int[] targetTokens() {
        return Arrays.copyOfRange(targets, firstTarget(), targets.length);
    }

    /** The same without the end of text, where they end with it: the ids of what the record says. */
    public int[] saidTokens(int endOfText) {
        int[] targets = targetTokens();
        boolean ends = targets.length > 0 && targets[targets.length - 1] == endOfText;
        return ends ? Arrays.copyOf(targets, targets.length - 1) : targets;
    }

    private int firstTarget() {
        int t = 0;
        while (t < targets.length - 1 && targets[t] == Batch.IGNORE) {
            t++;
        }
        return t;
    }
}
