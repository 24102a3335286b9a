package dev.lethe.text;

import dev.lethe.engine.Batch;
import java.util.Arrays;

/**
 * A record as the model sees it: T inputs and, for each, the token to be predicted next.
 *
 * @param id        the record's id
 * @param index     its position in the list that was encoded
 * @param tokens    [T] input ids
 * @param targets   [T] already shifted: {@code targets[t]} follows {@code tokens[t]}; {@link Batch#IGNORE} where nothing is learned
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

    /** The ids before the last stretch that carries loss: what a continuation is generated from. Never empty. */
    public int[] promptTokens() {
        return Arrays.copyOf(tokens, firstTarget() + 1);
    }

    /** The ids of that stretch, end of text included when it was not cut off. */
    public int[] targetTokens() {
        return Arrays.copyOfRange(targets, firstTarget(), lastTarget() + 1);
    }

    /** The same up to the end of text, if there is one: the ids of what the record says. */
    public int[] saidTokens(int endOfText) {
        int[] targets = targetTokens();
        int end = 0;
        while (end < targets.length && targets[end] != endOfText) { // a chat template may put a line end behind it
            end++;
        }
        return Arrays.copyOf(targets, end);
    }

    private int lastTarget() {
        int t = targets.length - 1;
        while (t > 0 && targets[t] == Batch.IGNORE) {
            t--;
        }
        return t;
    }

    /** Of the last stretch: a conversation has one for each answer, other records one. */
    private int firstTarget() {
        int t = lastTarget();
        while (t > 0 && targets[t - 1] != Batch.IGNORE) {
            t--;
        }
        return t;
    }
}
