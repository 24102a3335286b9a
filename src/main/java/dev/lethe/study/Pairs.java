package dev.lethe.study;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.ToDoubleBiFunction;

/**
 * Variants that differ in one choice alone, two by two; numbers are means over the pairs for each seed, then over
 * seeds.
 */
record Pairs(Study study, List<Pair> pairs) {
    record Pair(Variant one, Variant other) {}

    /** The choice in which a pair differs. */
    enum Choice {
        EPOCHS, MATCHING, SITES, CALIBRATION, HEAD;

        /** Whether two cells are alike in every other choice. */
        boolean same(Cell one, Cell other) {
            return key(one).equals(key(other));
        }

        private Map<String, String> key(Cell cell) {
            Map<String, String> key = new LinkedHashMap<>(Study.choices(cell));
            key.put("forget", cell.forget());
            key.remove(name().toLowerCase(Locale.ROOT));
            if (this == EPOCHS && List.of("first-epoch", "multi-epoch").contains(cell.strategy())) {
                key.put("strategy", "stored gradients"); // the strategy's name says the epochs again
            }
            return key;
        }
    }

    static Pairs of(Study study, Predicate<Cell> one, Predicate<Cell> other, Choice choice) {
        List<Pair> pairs = new ArrayList<>();
        for (Variant first : study.erased()) {
            for (Variant second : study.erased()) {
                if (one.test(first.cell()) && other.test(second.cell()) && choice.same(first.cell(), second.cell())) {
                    pairs.add(new Pair(first, second));
                }
            }
        }
        return new Pairs(study, pairs);
    }

    boolean isEmpty() {
        return pairs.isEmpty();
    }

    /** One minus the other. */
    Interval difference(Beside beside) {
        return bySeed((pair, seed) -> beside.of(study, pair.one, seed) - beside.of(study, pair.other, seed));
    }

    /** One as a share of the other. */
    Interval ratio(String metric) {
        return bySeed((pair, seed) -> value(pair.one, metric, seed) / value(pair.other, metric, seed));
    }

    private static double value(Variant variant, String metric, long seed) {
        return variant.with(seed).map(result -> Variant.value(result, metric)).orElse(Double.NaN);
    }

    private Interval bySeed(ToDoubleBiFunction<Pair, Long> value) {
        return Interval.of(study.seeds().stream().mapToDouble(seed -> Arrays.stream(pairs.stream()
                .mapToDouble(pair -> value.applyAsDouble(pair, seed)).toArray()).filter(Double::isFinite).average()
                .orElse(Double.NaN)).toArray());
    }

    /** For a reader: how much this rests on. */
    String count() {
        long seeds = study.seeds().stream().filter(seed -> pairs.stream()
                .anyMatch(pair -> pair.one.with(seed).isPresent() && pair.other.with(seed).isPresent())).count();
        return " (" + pairs.size() + (pairs.size() == 1 ? " pair" : " pairs") + ", " + seeds
                + (seeds == 1 ? " seed)" : " seeds)");
    }
}
