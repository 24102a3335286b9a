package dev.lethe.objective;

import dev.lethe.settings.EraseConfig;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * The examples of an erasure.
 *
 * @param forget   what is to be erased; not empty
 * @param distinct of it one of each text: relearning shows some and asks for others
 * @param retain   everything else the run learned; not empty
 * @param guard    the sample of retain whose loss is watched
 * @param heldOut  held-out records that are watched and set the reference; may be empty
 * @param held     text to keep that repair is held to; may be empty
 * @param keep     text to keep that is watched and in nothing else; may be empty
 */
public record EraseData(List<Example> forget, List<Example> distinct, List<Example> retain, List<Example> guard,
                 List<Example> heldOut, List<Example> held, List<Example> keep) {
    /** Text to keep that is watched, at most half of what there is. */
    private static final int WATCHED = 64;
    /** Most tokens of a record that a step is held to: a step of repair costs what a step costs. */
    private static final int HELD_TOKENS = 128;

    public static EraseData of(List<Example> forget, List<Example> distinct, List<Example> retain, List<Example> heldOut,
                        List<Example> keep, EraseConfig config) {
        List<Example> kept = sample(keep, keep.size(), config.seed());
        int watched = Math.min(WATCHED, (kept.size() + 1) / 2);
        return new EraseData(List.copyOf(forget), List.copyOf(distinct), List.copyOf(retain),
                sample(retain, config.guardSample(), config.seed()), sample(heldOut, heldOut.size(), config.seed()),
                kept.subList(watched, kept.size()).stream().map(EraseData::cut).toList(), kept.subList(0, watched));
    }

    private static Example cut(Example example) {
        return example.tokens().length <= HELD_TOKENS ? example : new Example(example.id(), example.index(),
                Arrays.copyOf(example.tokens(), HELD_TOKENS), Arrays.copyOf(example.targets(), HELD_TOKENS), true);
    }

    public EraseData withForget(List<Example> less) {
        return new EraseData(less, distinct, retain, guard, heldOut, held, keep);
    }

    /** At most {@code size} of them, seeded, without replacement, in shuffled order. */
    public static <T> List<T> sample(List<T> all, int size, long seed) {
        List<T> shuffled = new ArrayList<>(all);
        Collections.shuffle(shuffled, new Random(seed));
        return List.copyOf(shuffled.subList(0, Math.min(size, shuffled.size())));
    }
}
