package dev.lethe.page;

import dev.lethe.page.MatchedPairs.AgainstRetrained;
import dev.lethe.report.Section.Table;
import dev.lethe.report.Section.Table.Row;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * What the paper (Zagardo 2024) claims, what the study measured of it, and a verdict. Each seed gives one number, its
 * mean over the cells that bear on the claim; a verdict is given only when the 95 % interval over seeds allows it. A
 * claim without cells has no row.
 */
final class Claims {
    static final String EXPLANATION = "Differences are taken seed by seed between variants that are alike in everything"
            + " else; in brackets the 95 % interval over seeds. Forget distance is |forget loss - the retrained"
            + " model's|, retain harm is retain loss - the retrained model's, both in nats a token; relearn share is of"
            + " the retrained model's loss after relearning. \"Not decided\" means that the interval allows both"
            + " answers, or that there is only one seed.";
    /** How much worse still counts as equal: nats a token, or share. */
    private static final double MARGIN = 0.1;
    /** How far from the retrained model's forget loss still counts as forgotten, nats a token. */
    private static final double FORGOTTEN = 0.5;

    private Claims() { }

    static Table table(Study study) {
        List<Row> rows = new ArrayList<>();
        firstEpoch(study).ifPresent(rows::add);
        embedding(study).ifPresent(rows::add);
        space(study).ifPresent(rows::add);
        for (String head : study.variants().stream().map(variant -> variant.cell().head()).distinct().toList()) {
            lastBlocks(study, head).ifPresent(rows::add);
        }
        head(study).ifPresent(rows::add);
        calibration(study).ifPresent(rows::add);
        matching(study).ifPresent(rows::add);
        return new Table("", List.of("claim", "measured", "verdict"), rows, true);
    }

    private static Optional<Row> firstEpoch(Study study) {
        MatchedPairs pairs = MatchedPairs.of(study, cell -> cell.epochs().equals("first"), cell -> cell.epochs().equals("all"),
                MatchedPairs.Choice.EPOCHS);
        return better(pairs, "First-epoch gradients erase better than those of all epochs",
                "first epoch minus all epochs");
    }

    private static Optional<Row> matching(Study study) {
        MatchedPairs pairs = MatchedPairs.loosely(study, cell -> cell.matching().startsWith("iterative"), cell -> cell.matching()
                .startsWith("fuzzy"), MatchedPairs.Choice.MATCHING);
        return better(pairs, "Iterative unlearning is more complete than fuzzy matching", "iterative minus fuzzy");
    }

    /** Holds when some measure is decidedly better and none decidedly worse. */
    private static Optional<Row> better(MatchedPairs pairs, String claim, String difference) {
        if (pairs.isEmpty()) {
            return Optional.empty();
        }
        List<String> measured = new ArrayList<>();
        List<String> good = new ArrayList<>();
        List<String> bad = new ArrayList<>();
        for (AgainstRetrained beside : AgainstRetrained.values()) {
            Interval interval = pairs.difference(beside);
            if (interval.n() > 0) {
                measured.add(beside.label + " " + signed(interval));
                if (interval.decides() && (interval.low() > 0 || interval.high() < 0)) {
                    (interval.mean() > 0 == beside.moreIsBetter ? good : bad).add(beside.label);
                }
            }
        }
        String verdict = good.isEmpty() && bad.isEmpty() ? "not decided" : bad.isEmpty() ? "holds: better in "
                + String.join(", ", good) : good.isEmpty() ? "does not hold: worse in " + String.join(", ", bad)
                : "in part: better in " + String.join(", ", good) + ", worse in " + String.join(", ", bad);
        return Optional.of(row(claim, difference + ": " + String.join("; ", measured) + pairs.count(), verdict));
    }

    /** Holds when the embedding is nowhere worse than the whole model by more than the margin. */
    private static Optional<Row> embedding(Study study) {
        MatchedPairs pairs = embeddingAndAll(study);
        if (pairs.isEmpty()) {
            return Optional.empty();
        }
        List<String> measured = new ArrayList<>();
        List<String> worse = new ArrayList<>();
        boolean open = false;
        for (AgainstRetrained beside : AgainstRetrained.values()) {
            Interval interval = pairs.difference(beside);
            if (interval.n() > 0) {
                measured.add(beside.label + " " + signed(interval));
                double best = beside.moreIsBetter ? -interval.high() : interval.low();
                double worst = beside.moreIsBetter ? -interval.low() : interval.high();
                if (best > MARGIN) {
                    worse.add(beside.label);
                }
                open |= !(worst <= MARGIN);
            }
        }
        String verdict = !worse.isEmpty() ? "does not hold: worse in " + String.join(", ", worse) : open ? "not decided"
                : "holds: as good as the whole model";
        return Optional.of(row("The embedding alone suffices", "embedding minus whole model (equal up to " + MARGIN
                + "): " + String.join("; ", measured) + pairs.count(), verdict));
    }

    /** A count of bytes needs no interval. */
    private static Optional<Row> space(Study study) {
        Interval share = embeddingAndAll(study).ratio("cost.ledger_bytes");
        if (share.n() == 0) {
            return Optional.empty();
        }
        String verdict = share.mean() > 0.5 ? "does not hold" : share.mean() < 0.4 ? "holds: it takes less than half"
                : "holds";
        return Optional.of(row("The embedding alone halves the space",
                "ledger of the embedding, share of the whole model's: " + share.text("%.3f"), verdict));
    }

    private static MatchedPairs embeddingAndAll(Study study) {
        return MatchedPairs.of(study, cell -> cell.sites().equals("embedding"), cell -> cell.sites().equals("all"),
                MatchedPairs.Choice.SITES);
    }

    private static Optional<Row> lastBlocks(Study study, String head) {
        List<Variant> last = LastBlocks.of(study, head);
        Interval way = LastBlocks.way(study, last);
        if (way.n() == 0) {
            return Optional.empty();
        }
        String sites = last.stream().map(variant -> variant.cell().sites()).distinct()
                .collect(Collectors.joining(", "));
        String verdict = !way.decides() ? "not decided" : way.high() < MARGIN ? "holds" : way.low() > MARGIN
                ? "does not hold: they do move the forget loss" : "not decided";
        return Optional.of(row("The last blocks (layers 11 and 12) do nothing, " + head + " head",
                "way to the retrained model's forget loss by moving " + sites + " (0 = none, 1 = all): "
                + way.text("%.2f"), verdict));
    }

    private static Optional<Row> head(Study study) {
        Interval tied = LastBlocks.way(study, LastBlocks.of(study, "tied"));
        Interval untied = LastBlocks.way(study, LastBlocks.of(study, "untied"));
        Interval difference = LastBlocks.untiedMinusTied(study);
        if (difference.n() == 0) {
            return Optional.empty();
        }
        String verdict = !difference.decides() ? "not decided" : difference.low() > 0 || difference.high() < 0
                ? "holds: the last blocks do " + (difference.mean() > 0 ? "more" : "less") + " without the tie"
                : difference.low() > -MARGIN && difference.high() < MARGIN
                ? "does not hold: the tie makes no difference" : "not decided";
        return Optional.of(row("The tied head explains what the last blocks do (our question, not the paper's)",
                "way to the retrained model's forget loss by the last blocks: tied " + tied.text("%.2f") + ", untied "
                + untied.text("%.2f") + ", difference " + signed(difference), verdict));
    }

    private static Optional<Row> calibration(Study study) {
        List<Variant> fixed = study.erased().stream().filter(variant -> variant.cell().calibration()
                .startsWith("fixed")).toList();
        List<Variant> calibrated = study.erased().stream().filter(variant -> fixed.stream().anyMatch(other ->
                MatchedPairs.Choice.CALIBRATION.same(other.cell(), variant.cell()) && !fixed.contains(variant))).toList();
        List<Boolean> free = near(study, fixed);
        List<Boolean> stopped = near(study, calibrated);
        if (free.isEmpty() || stopped.isEmpty()) {
            return Optional.empty();
        }
        String measured = String.format(Locale.ROOT,
                "within %.1f of the retrained model's forget loss and %.1f of its retain loss: "
                + "%s of %d fixed rates and steps (%d not decided), %s of %d calibrated (%d not decided)", FORGOTTEN,
                MARGIN, count(free, true), fixed.size(), fixed.size() - free.stream().filter(f -> f != null).count(),
                count(stopped, true), calibrated.size(), calibrated.size() - stopped.stream().filter(f -> f != null)
                .count());
        boolean allThere = count(stopped, true) == calibrated.size();
        boolean mostLost = count(free, false) > fixed.size() / 2.0;
        String verdict = allThere && mostLost ? "holds: most fixed settings miss, the calibrated do not"
                : count(free, true) > fixed.size() / 2.0 ? "does not hold: most fixed settings come there too"
                : count(stopped, false) == calibrated.size() && mostLost ? "does not hold: calibration misses as well"
                : "not decided";
        return Optional.of(row("Ascent needs calibration, or it stops in an optimum that still knows the data",
                measured, verdict));
    }

    /**
     * Whether a variant decidedly ends near the retrained model, decidedly not, or null; those without the measures are
     * out.
     */
    private static List<Boolean> near(Study study, List<Variant> variants) {
        List<Boolean> near = new ArrayList<>();
        for (Variant variant : variants) {
            Interval forget = AgainstRetrained.FORGET.of(study, variant);
            Interval retain = AgainstRetrained.RETAIN.of(study, variant);
            if (forget.n() > 0 && retain.n() > 0) {
                near.add(forget.low() > FORGOTTEN || retain.low() > MARGIN ? Boolean.FALSE
                        : forget.high() <= FORGOTTEN && retain.high() <= MARGIN ? Boolean.TRUE : null);
            }
        }
        return near;
    }

    private static long count(List<Boolean> near, boolean which) {
        return near.stream().filter(Boolean.valueOf(which)::equals).count();
    }

    private static String signed(Interval interval) {
        return (interval.mean() > 0 ? "+" : "") + interval.text("%.2f");
    }

    private static Row row(String claim, String measured, String verdict) {
        return new Row(false, List.of(claim, measured, verdict));
    }

    /**
     * Variants that move nothing but one or both of the last two blocks seen in the study, and how far that brought them.
     */
    static final class LastBlocks {
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
            return Interval.of(Quantity.ANY, study.seeds().stream().mapToDouble(seed -> way(study, variants, seed)).toArray());
        }

        /** Over seeds that have both heads. */
        static Interval untiedMinusTied(Study study) {
            List<Variant> tied = of(study, "tied");
            List<Variant> untied = of(study, "untied");
            return Interval.of(Quantity.ANY, study.seeds().stream().mapToDouble(seed -> way(study, untied, seed) - way(study, tied,
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
}
