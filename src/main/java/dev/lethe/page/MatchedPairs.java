package dev.lethe.page;

import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import java.util.function.ToDoubleBiFunction;

/**
 * Variants that differ in one choice, two by two; numbers are means over the pairs for each seed, then over seeds.
 *
 * @param alsoDiffer other choices in which some pair differs; empty = alike in everything else
 */
record MatchedPairs(Study study, List<Pair> pairs, Set<String> alsoDiffer) {
    record Pair(Variant one, Variant other) {}

    /** The choice in which a pair differs. */
    enum Choice {
        EPOCHS, MATCHING, SITES, CALIBRATION, HEAD;

        /** Whether two cells are alike in every other choice. */
        boolean same(Cell one, Cell other) {
            return key(one).equals(key(other));
        }

        private String label() {
            return name().toLowerCase(Locale.ROOT);
        }

        private Map<String, String> key(Cell cell) {
            Map<String, String> key = new LinkedHashMap<>(Study.choices(cell));
            key.put("forget", cell.forget());
            key.remove(label());
            if (this == EPOCHS && List.of("last-epoch", "first-epoch", "multi-epoch").contains(cell.strategy())) {
                key.put("strategy", "stored gradients"); // the strategy's name says the epochs again
            }
            return key;
        }
    }

    /** Of variants that are alike in every other choice. */
    static MatchedPairs of(Study study, Predicate<Cell> one, Predicate<Cell> other, Choice choice) {
        return new MatchedPairs(study, pairs(study, one, other, choice::same), Set.of());
    }

    /** The same; where there are none, of variants that are alike in head, forget set and sites. */
    static MatchedPairs loosely(Study study, Predicate<Cell> one, Predicate<Cell> other, Choice choice) {
        MatchedPairs alike = of(study, one, other, choice);
        if (!alike.isEmpty()) {
            return alike;
        }
        List<Pair> pairs = pairs(study, one, other, (first, second) -> first.head().equals(second.head())
                && first.forget().equals(second.forget()) && first.sites().equals(second.sites()));
        Set<String> differ = new TreeSet<>();
        for (Pair pair : pairs) {
            Map<String, String> theirs = Study.choices(pair.other.cell());
            Study.choices(pair.one.cell()).forEach((name, value) -> {
                if (!value.equals(theirs.get(name)) && !name.equals(choice.label())) {
                    differ.add(name);
                }
            });
        }
        return new MatchedPairs(study, pairs, differ);
    }

    private static List<Pair> pairs(Study study, Predicate<Cell> one, Predicate<Cell> other,
                                    BiPredicate<Cell, Cell> alike) {
        List<Pair> pairs = new ArrayList<>();
        for (Variant first : study.erased()) {
            for (Variant second : study.erased()) {
                if (one.test(first.cell()) && other.test(second.cell()) && alike.test(first.cell(), second.cell())) {
                    pairs.add(new Pair(first, second));
                }
            }
        }
        return pairs;
    }

    boolean isEmpty() {
        return pairs.isEmpty();
    }

    /** One minus the other. */
    Interval difference(AgainstRetrained beside) {
        return bySeed(Quantity.ANY, (pair, seed) -> beside.of(study, pair.one, seed) - beside.of(study, pair.other, seed));
    }

    /** One as a share of the other. */
    Interval ratio(String metric) {
        return bySeed(Quantity.POSITIVE, (pair, seed) -> value(pair.one, metric, seed) / value(pair.other, metric, seed));
    }

    private static double value(Variant variant, String metric, long seed) {
        return variant.with(seed).map(result -> Variant.value(result, metric)).orElse(Double.NaN);
    }

    private Interval bySeed(Quantity quantity, ToDoubleBiFunction<Pair, Long> value) {
        return Interval.of(quantity, study.seeds().stream().mapToDouble(seed -> Arrays.stream(pairs.stream()
                .mapToDouble(pair -> value.applyAsDouble(pair, seed)).toArray()).filter(Double::isFinite).average()
                .orElse(Double.NaN)).toArray());
    }

    /** For a reader: how much this rests on. */
    String count() {
        long seeds = study.seeds().stream().filter(seed -> pairs.stream()
                .anyMatch(pair -> pair.one.with(seed).isPresent() && pair.other.with(seed).isPresent())).count();
        return " (" + pairs.size() + (pairs.size() == 1 ? " pair" : " pairs") + ", " + seeds
                + (seeds == 1 ? " seed" : " seeds") + (alsoDiffer.isEmpty() ? ")"
                : "; they differ in " + String.join(", ", alsoDiffer) + " too)");
    }

    /** A result beside the model retrained with the same seed, head and forget set. */
    enum AgainstRetrained {
        /** |forget loss - the retrained model's|, nats a token. */
        FORGET("forget distance", false, Quantity.POSITIVE) {
            @Override
            double of(CellResult result, CellResult retrained) {
                return Math.abs(Variant.value(result, "forget.loss") - Variant.value(retrained, "forget.loss"));
            }
        },
        /** Retain loss - the retrained model's, nats a token. */
        RETAIN("retain harm", false, Quantity.ANY) {
            @Override
            double of(CellResult result, CellResult retrained) {
                return Variant.value(result, "retain.loss") - Variant.value(retrained, "retain.loss");
            }
        },
        /** Loss after relearning, share of the retrained model's. */
        RELEARN("relearn share", true, Quantity.POSITIVE) {
            @Override
            double of(CellResult result, CellResult retrained) {
                return Variant.value(result, "relearn.share");
            }
        };

        final String label;
        final boolean moreIsBetter;
        private final Quantity quantity;

        AgainstRetrained(String label, boolean moreIsBetter, Quantity quantity) {
            this.label = label;
            this.moreIsBetter = moreIsBetter;
            this.quantity = quantity;
        }

        /** NaN where something was not measured. */
        abstract double of(CellResult result, CellResult retrained);

        /** NaN without a retrained model of the seed. */
        double of(Study study, Variant variant, long seed) {
            Optional<CellResult> retrained = study.retrained(variant).flatMap(reference -> reference.with(seed));
            Optional<CellResult> result = variant.with(seed);
            return result.isPresent() && retrained.isPresent() ? of(result.get(), retrained.get()) : Double.NaN;
        }

        /** Over the seeds. */
        Interval of(Study study, Variant variant) {
            return Interval.of(quantity, study.seeds().stream().mapToDouble(seed -> of(study, variant, seed)).toArray());
        }
    }
}
