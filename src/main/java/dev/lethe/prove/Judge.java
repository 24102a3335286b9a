/*
 * The rule of all verdicts, in one place. Something is found when the erased records can be told from records never seen, beyond
 * chance and beyond what a retrained model gives; when more records come out word for word than under a retrained one; or when more
 * of them than chance allows stand out from all but a hundredth of the controls. What is not found counts only where the same
 * attack finds it in the original.
 */
package dev.lethe.prove;

import dev.lethe.prove.Finding.Outcome;
import dev.lethe.prove.Suspect.Role;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** Stateless, any thread. */
final class Judge {
    private static final double EVEN = 0.5;
    /** One-sided, as the intervals: so rare by chance is no chance. */
    private static final double RARE = 0.005;

    private Judge() { }

    static Finding judge(Attack attack, Bench bench, List<Row> rows, double seconds) {
        Set<String> retrained = bench.references().stream().map(Suspect::name).collect(Collectors.toSet());
        List<Row> mine = of(rows, bench.erased().name());
        List<Row> beside = rows.stream().filter(row -> retrained.contains(row.model())).toList();
        List<Row> original = bench.suspects.stream().filter(one -> one.role() == Role.ORIGINAL).findFirst()
                .map(one -> of(rows, one.name())).orElse(null);
        if (attack.descriptive()) {
            return finding(attack, Outcome.TOLD, told(mine), rows, seconds);
        }
        String why = attack.undecided(bench);
        if (why != null || mine.isEmpty()) {
            return finding(attack, Outcome.UNDECIDED, sentence(why == null ? "no verdict: nothing could be asked" : why), rows, seconds);
        }
        List<String> found = new ArrayList<>();
        Row worst = mine.stream().filter(row -> row.apart() != null)
                .max(Comparator.comparingDouble(row -> row.apart().low() - base(row, beside))).orElse(null);
        if (worst != null && worst.apart().low() > base(worst, beside)) {
            found.add(worst.measure() + ": " + pairs(worst, rows));
        }
        mine.stream().filter(row -> extracts(row, beside)).max(Comparator.comparingInt(row -> row.extracted().records()))
                .ifPresent(row -> found.add(row.extracted().records() + " of " + row.extracted().asked()
                        + " records come out word for word (" + row.measure() + ")"));
        if (attack instanceof Membership) {
            mine.stream().filter(row -> standsOut(row, beside)).min(Comparator.comparingDouble(row -> row.apart().chance()))
                    .ifPresent(row -> found.add(String.format(Locale.ROOT, "%s: %.0f %% of the erased records stand out from all but"
                            + " 1 %% of those never seen", row.measure(), 100 * row.apart().flagged())));
            mine.stream().filter(row -> below(row, beside)).findFirst().ifPresent(row -> found.add(row.measure()
                    + ": erased records look less known than any never seen, which tells them, too: " + pairs(row, rows)));
        }
        if (!found.isEmpty()) {
            return finding(attack, Outcome.FOUND, sentence(String.join("; ", found)), rows, seconds);
        }
        if (original != null && original.stream().noneMatch(row -> finds(row, beside))) {
            return finding(attack, Outcome.UNDECIDED, "No verdict: so few records and controls do not show even in the original that it"
                    + " knows them.", rows, seconds);
        }
        return finding(attack, Outcome.NOT_FOUND, sentence(worst == null ? "nothing came out"
                : "the nearest is " + worst.measure() + ": " + pairs(worst, rows)), rows, seconds);
    }

    private static boolean finds(Row row, List<Row> beside) {
        return row.apart() != null && row.apart().low() > base(row, beside) || extracts(row, beside);
    }

    /** Whether more come out than by chance, and than of a model that never had them. */
    private static boolean extracts(Row row, List<Row> beside) {
        return row.extracted() != null && row.extracted().records() > Math.max(row.extracted().expected(), same(row, beside).stream()
                .mapToInt(one -> one.extracted().records()).max().orElse(0));
    }

    private static boolean standsOut(Row row, List<Row> beside) {
        return row.apart() != null && row.apart().chance() != null && row.apart().chance() < RARE && row.apart().flagged() > same(row, beside).stream()
                .mapToDouble(one -> one.apart().flagged()).max().orElse(0);
    }

    private static boolean below(Row row, List<Row> beside) {
        return row.apart() != null && row.apart().high() < Math.min(EVEN, same(row, beside).stream()
                .mapToDouble(one -> one.apart().auc()).min().orElse(EVEN));
    }

    /** What is no leak: chance, or what a retrained model gives where that is more. */
    private static double base(Row row, List<Row> beside) {
        return Math.max(EVEN, same(row, beside).stream().filter(one -> one.apart() != null).mapToDouble(one -> one.apart().auc()).max()
                .orElse(EVEN));
    }

    private static List<Row> same(Row row, List<Row> beside) {
        return beside.stream().filter(one -> one.measure().equals(row.measure())).toList();
    }

    private static List<Row> of(List<Row> rows, String model) {
        return rows.stream().filter(row -> row.model().equals(model)).toList();
    }

    /** An AUC as a person can read it, with the other models'. */
    private static String pairs(Row row, List<Row> rows) {
        String others = rows.stream().filter(one -> one.measure().equals(row.measure()) && one != row && one.apart() != null)
                .map(one -> String.format(Locale.ROOT, ", %s %.0f", one.model(), 100 * one.apart().auc())).collect(Collectors.joining());
        return String.format(Locale.ROOT, "of an erased record and one never seen, the erased one looks better known in %.0f of 100"
                        + " pairs (99 %% interval %.0f to %.0f; chance 50%s)", 100 * row.apart().auc(), 100 * row.apart().low(),
                100 * row.apart().high(), others);
    }

    private static String told(List<Row> rows) {
        return sentence(rows.stream().map(row -> row.value() != null
                ? String.format(Locale.ROOT, "%s %.1f %%", row.measure(), 100 * row.value())
                : String.format(Locale.ROOT, "%s %.2f nats a token on erased records and %.2f on records never seen", row.measure(),
                        row.erased(), row.controls())).collect(Collectors.joining("; ")));
    }

    private static String sentence(String text) {
        return text.isEmpty() ? "There is no model to compare with." : text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1)
                + ".";
    }

    private static Finding finding(Attack attack, Outcome outcome, String sentence, List<Row> rows, double seconds) {
        return new Finding(attack.name(), attack.question(), attack.papers(), outcome, sentence, rows, seconds);
    }
}
