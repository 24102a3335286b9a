package dev.lethe.find;

import dev.lethe.data.Folding;
import dev.lethe.engine.Work;
import java.util.Comparator;
import java.util.List;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * What comes nearest to words that are nowhere as they were asked: in their own script, or else as ICU writes them in others.
 *
 * @param candidates for each way to write them the positions of the texts that could come near
 * @param texts      the text at a position
 */
record NearMisses(Function<List<Nearness>, List<int[]>> candidates, IntFunction<String> texts) {
    private static final int MOST = 3;
    private static final double LEAST = 66;           // two letters of three
    private static final double LEAST_OF_TWO = 50;    // letters: one of them may be wrong
    private static final double LEAST_ELSEWHERE = 75; // another script is a guess already

    /** A text that comes near: its position, the share of the letters in place, and which words stand there. */
    record Near(int position, double score, String reason) {}

    /** The best three, best first; fewer where fewer come near. */
    List<Near> of(String asked) {
        Nearness own = new Nearness(asked);
        if (own.count() == 0) {
            return List.of();
        }
        List<Near> near = of(List.of(own), own.letters() == 2 ? LEAST_OF_TWO : LEAST, "");
        return !near.isEmpty() || own.count() > Nearness.NAME ? near
                : of(OtherScripts.of(asked).stream().map(Nearness::new).toList(), LEAST_ELSEWHERE, "in another script ");
    }

    private List<Near> of(List<Nearness> ways, double least, String where) {
        List<int[]> positions = candidates.apply(ways);
        return IntStream.range(0, ways.size()).boxed()
                .flatMap(way -> of(ways.get(way), positions.get(way), least, where).stream())
                .sorted(Comparator.comparingDouble(near -> -near.score)).limit(MOST).toList();
    }

    private List<Near> of(Nearness words, int[] positions, double least, String where) {
        double[] scores = Work.parallel(() -> IntStream.of(positions).parallel()
                .mapToDouble(i -> words.of(FoldedText.of(Folding.LOOSE.of(texts.apply(i))), least)).toArray());
        return IntStream.range(0, positions.length).filter(i -> scores[i] >= least).boxed()
                .sorted(Comparator.comparingDouble(i -> -scores[i])).limit(MOST)
                .map(i -> new Near(positions[i], scores[i], where + words.reason(texts.apply(positions[i])))).toList();
    }
}
