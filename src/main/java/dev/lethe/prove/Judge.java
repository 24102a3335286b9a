/*
 * The rule of all verdicts, in one place. Something is found when the erased records can be told from records never seen, beyond
 * chance and beyond what a retrained model gives; when they are known better than under a retrained one by many standard errors, in
 * nats, beside what controls are, for where a retrained model tells most pairs too pairs say little more; when more records come
 * out word for word than under a retrained one, and than chance allows where controls come out too; or when more of them than
 * chance allows stand out from all but a hundredth of the controls. What is not found counts only where the same
 * attack finds it in the original.
 */
package dev.lethe.prove;

import dev.lethe.prove.Suspect.Role;
import dev.lethe.results.Finding;
import dev.lethe.results.Finding.Outcome;
import dev.lethe.results.Row;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Immutable. What is only there to compare with is not judged.
 *
 * @param rows     of all models
 * @param mine     of the erased model
 * @param original of the model before; null where it is gone
 * @param beside   of the retrained ones
 */
record Judge(List<Row> rows, List<Row> mine, List<Row> original, List<Row> beside) {
    private static final double EVEN = 0.5;
    /** One-sided, as the intervals: so rare by chance is no chance. */
    private static final double RARE = 0.005;
    /** Standard errors that are no chance: of few records, and asked of some sixty numbers. */
    private static final double ERRORS = 4;

    Judge {
        mine = judged(mine);
        original = original == null ? null : judged(original);
        beside = judged(beside);
    }

    private static List<Row> judged(List<Row> rows) {
        return rows.stream().filter(row -> row.baseline() == null).toList();
    }

    static Finding judge(Attack attack, Bench bench, List<Row> rows, double seconds) {
        List<Row> original = bench.suspects.stream().filter(one -> one.role() == Role.ORIGINAL).findFirst()
                .map(one -> of(rows, one)).orElse(null);
        List<Row> beside = bench.references().stream().flatMap(one -> of(rows, one).stream()).toList();
        Judge judge = new Judge(rows, of(rows, bench.erased()), original, beside);
        Verdict verdict = attack.descriptive() ? new Verdict(Outcome.TOLD, judge.told())
                : judge.verdict(attack.undecided(bench), attack instanceof Membership);
        return new Finding(attack.name, attack.question, attack.papers, verdict.outcome, sentence(verdict.text), rows, seconds);
    }

    record Verdict(Outcome outcome, String text) { }

    /**
     * @param why   there can be no verdict; null when there can
     * @param alone whether a single record that stands out counts, and one that looks too little known
     */
    Verdict verdict(String why, boolean alone) {
        if (why != null || mine.isEmpty()) {
            return new Verdict(Outcome.UNDECIDED, why == null ? "no verdict: nothing could be asked" : why);
        }
        Row nearest = mine.stream().filter(row -> row.apart() != null)
                .max(Comparator.comparingDouble(row -> row.apart().low() - base(row))).orElse(null);
        List<String> found = found(nearest, alone);
        if (!found.isEmpty()) {
            return new Verdict(Outcome.FOUND, String.join("; ", found));
        }
        if (original == null) {
            return new Verdict(Outcome.UNDECIDED, "no verdict: nothing was found, but the run from before the erasure is not there to"
                    + " show that this would find what a model knows");
        }
        if (original.stream().noneMatch(row -> tells(row) || nearer(row) > ERRORS || extracts(row))) {
            return new Verdict(Outcome.UNDECIDED, "no verdict: so few records and controls do not show even in the original that it"
                    + " knows them");
        }
        return new Verdict(Outcome.NOT_FOUND, nearest == null ? "nothing came out"
                : "the nearest is " + nearest.measure() + ": " + pairs(nearest));
    }

    private List<String> found(Row nearest, boolean alone) {
        List<String> found = new ArrayList<>();
        if (nearest != null && tells(nearest)) {
            found.add(nearest.measure() + ": " + pairs(nearest));
        }
        mine.stream().filter(row -> nearer(row) > ERRORS).max(Comparator.comparingDouble(this::nearer))
                .ifPresent(row -> found.add(String.format(Locale.ROOT,
                        "%s: erased records lie %.2f nats a token below records never seen, under a retrained model %.2f",
                        row.measure(), row.controls() - row.erased(), nearest(row))));
        mine.stream().filter(this::extracts).max(Comparator.comparingInt(row -> row.extracted().records()))
                .ifPresent(row -> found.add(String.format(Locale.ROOT, "%d of %d records come out word for word (%s)",
                        row.extracted().records(), row.extracted().asked(), row.measure())));
        mine.stream().filter(row -> alone && standsOut(row)).min(Comparator.comparingDouble(row -> row.apart().chance()))
                .ifPresent(row -> found.add(String.format(Locale.ROOT, "%s: %.0f %% of the erased records stand out from all but"
                        + " 1 %% of those never seen", row.measure(), 100 * row.apart().flagged())));
        mine.stream().filter(row -> alone && below(row)).findFirst().ifPresent(row -> found.add(row.measure()
                + ": erased records look less known than those never seen, which tells them, too: " + pairs(row)));
        return found;
    }

    private boolean tells(Row row) {
        return row.apart() != null && row.apart().low() > base(row);
    }

    /** By how many standard errors the erased are better known, beside controls, than under every retrained model; 0 without one. */
    private double nearer(Row row) {
        return row.error() == null ? 0 : same(row).stream().filter(one -> one.error() != null)
                .mapToDouble(one -> (row.controls() - row.erased() - (one.controls() - one.erased()))
                        / Math.hypot(row.error(), one.error())).min().orElse(0);
    }

    /** Nats by which the retrained model that knows them best does. */
    private double nearest(Row row) {
        return same(row).stream().mapToDouble(one -> one.controls() - one.erased()).max().orElse(0);
    }

    /** Whether more come out than of a model that never had them, and, where controls come out too, than by chance. */
    private boolean extracts(Row row) {
        Row.Extracted out = row.extracted();
        return out != null && out.records() > same(row).stream().mapToInt(one -> one.extracted().records()).max().orElse(0)
                && (out.controls() == 0 || Chances.ofSoMany(out.records(), out.controls(), out.asked(), out.controlsAsked()) < RARE);
    }

    private boolean standsOut(Row row) {
        return row.apart() != null && row.apart().chance() != null && row.apart().chance() < RARE
                && row.apart().flagged() > same(row).stream().mapToDouble(one -> one.apart().flagged()).max().orElse(0);
    }

    private boolean below(Row row) {
        return row.apart() != null && row.apart().flagged() != null && !row.measure().equals(Membership.AGAIN)
                && row.apart().high() < Math.min(EVEN,
                same(row).stream().mapToDouble(one -> one.apart().auc()).min().orElse(EVEN));
    }

    /** What is no leak: chance, or what a retrained model gives where that is more. */
    private double base(Row row) {
        return Math.max(EVEN, same(row).stream().filter(one -> one.apart() != null).mapToDouble(one -> one.apart().auc()).max()
                .orElse(EVEN));
    }

    /** The same of the retrained models. */
    private List<Row> same(Row row) {
        return beside.stream().filter(one -> one.measure().equals(row.measure())).toList();
    }

    private static List<Row> of(List<Row> rows, Suspect suspect) {
        return rows.stream().filter(row -> row.model().equals(suspect.name())).toList();
    }

    /** An AUC as a person can read it, with the other models'. */
    private String pairs(Row row) {
        String others = rows.stream().filter(one -> one.measure().equals(row.measure()) && one != row && one.apart() != null)
                .map(one -> String.format(Locale.ROOT, ", %s %.0f", one.model(), 100 * one.apart().auc()))
                .collect(Collectors.joining());
        String what = row.measure().equals(Membership.AGAIN)
                ? "asked for an erased record and for one never seen, the model says more words over again for the erased one"
                : row.apart().flagged() != null
                ? "of an erased record and one never seen, the erased one looks better known"
                : "of a model that unlearned the records and one that never had them, the first is told by what it makes of a record";
        return String.format(Locale.ROOT, "%s in %.0f of 100 pairs (99 %% interval %.0f to %.0f; chance 50%s)", what,
                100 * row.apart().auc(), 100 * row.apart().low(), 100 * row.apart().high(), others);
    }

    private String told() {
        return mine.isEmpty() ? "there is no model to compare with" : mine.stream().map(row -> row.value() != null
                ? String.format(Locale.ROOT, "%s %.1f %%", row.measure(), 100 * row.value())
                : String.format(Locale.ROOT, "%s %.2f nats a token on erased records and %.2f on records never seen", row.measure(),
                        row.erased(), row.controls())).collect(Collectors.joining("; "));
    }

    private static String sentence(String text) {
        return text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1) + ".";
    }

    static Outcome outcome(List<Finding> findings) {
        if (findings.stream().anyMatch(one -> one.outcome() == Outcome.FOUND)) {
            return Outcome.FOUND;
        }
        return findings.stream().anyMatch(one -> one.outcome() == Outcome.UNDECIDED) ? Outcome.UNDECIDED : Outcome.NOT_FOUND;
    }

    static String verdict(List<Finding> findings) {
        String found = names(findings, Outcome.FOUND);
        String open = names(findings, Outcome.UNDECIDED);
        String nothing = names(findings, Outcome.NOT_FOUND);
        return (found.isEmpty() ? "No attack got the erased records out of the model"
                : "The model still gives the erased records away: " + found)
                + (nothing.isEmpty() ? "" : "; nothing was found by " + nothing)
                + (open.isEmpty() ? "" : "; no verdict on " + open) + ".";
    }

    private static String names(List<Finding> findings, Outcome outcome) {
        return findings.stream().filter(one -> one.outcome() == outcome).map(Finding::attack).collect(Collectors.joining(", "));
    }
}
