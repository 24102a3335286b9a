package dev.lethe.page;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Variants that move nothing but one or both of the last two blocks seen in the study, and how far that brought them.
 */
final class LastBlocks {
    private static final Pattern BLOCKS = Pattern.compile("block:[0-9,-]+");
    private static final Pattern NUMBER = Pattern.compile("[0-9]+");

    private LastBlocks() { }

    static List<Variant> of(Study study, String head) {
        int last = study.variants().stream().flatMapToInt(variant -> Arrays.stream(numbers(variant))).max().orElse(-1);
        return study.erased().stream().filter(variant -> variant.cell().head().equals(head)).filter(variant -> {
            int[] numbers = numbers(variant);
            return numbers.length > 0 && Arrays.stream(numbers).allMatch(number -> number >= last - 1) && last > 1;
        }).toList();
    }

    private static int[] numbers(Variant variant) {
        String sites = variant.cell().sites();
        Matcher matcher = NUMBER.matcher(sites);
        return BLOCKS.matcher(sites).matches() ? matcher.results().mapToInt(found -> Integer.parseInt(found.group()))
                .toArray() : new int[0];
    }

    /** (forget loss - original's) / (retrained model's - original's): 0 = where it was, 1 = as if never learned. */
    static Interval way(Study study, List<Variant> variants) {
        return Interval.of(study.seeds().stream().mapToDouble(seed -> way(study, variants, seed)).toArray());
    }

    /** Over seeds that have both heads. */
    static Interval untiedMinusTied(Study study) {
        List<Variant> tied = of(study, "tied");
        List<Variant> untied = of(study, "untied");
        return Interval.of(study.seeds().stream().mapToDouble(seed -> way(study, untied, seed) - way(study, tied,
                seed)).toArray());
    }

    private static double way(Study study, List<Variant> variants, long seed) {
        return Arrays.stream(variants.stream().mapToDouble(variant -> way(study, variant, seed)).toArray())
                .filter(Double::isFinite).average().orElse(Double.NaN);
    }

    private static double way(Study study, Variant variant, long seed) {
        double before = loss(study.original(variant), seed);
        return (loss(Optional.of(variant), seed) - before) / (loss(study.retrained(variant), seed) - before);
    }

    private static double loss(Optional<Variant> variant, long seed) {
        return variant.flatMap(found -> found.with(seed)).map(result -> Variant.value(result, "forget.loss"))
                .orElse(Double.NaN);
    }
}
