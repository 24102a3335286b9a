package dev.lethe.report;

import dev.lethe.find.ForgetSet.Match;
import dev.lethe.proof.CertificateSummary;
import dev.lethe.report.ReportData.Fact;
import dev.lethe.results.Destroyed;
import dev.lethe.results.Erasure;
import dev.lethe.results.Trace;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What an officer reads first of a run. It says what was measured and no more: each outcome has a sentence of its own.
 *
 * @param verdict   one sentence
 * @param standing  how far it goes
 * @param facts     of an erasure, empty else, as all that follows: who asked and when, what was found, destroyed and signed, in order
 * @param numbers   the five that matter, each beside its control
 * @param left      where the erased are or may be still
 * @param notProven sentences
 */
public record ErasureSummary(String verdict, Standing standing, List<Fact> facts, List<Measured> numbers, List<Left> left,
                             List<String> notProven) {
    /** How far a verdict goes. */
    public enum Standing {
        /** Something speaks against it. */
        DOUBTFUL,
        /** Nothing but losses was measured, or attacks did not decide. */
        MEASURED,
        /** Attacks were tried and found nothing. */
        ATTACKED
    }

    /**
     * A number in words, – where there is none.
     *
     * @param what    it is
     * @param before  of the model from before
     * @param after   of the new model
     * @param control what to compare with, and what that is
     */
    public record Measured(String what, String before, String after, String control) { }

    /**
     * A place that no erasure cleans.
     *
     * @param place its path
     * @param files there
     * @param holds what it could tell of a record, and whether that was found there
     */
    public record Left(String place, int files, String holds) { }

    /**
     * What attacks on the model came to.
     *
     * @param outcome FOUND, NOT_FOUND or UNDECIDED; null where none was tried
     * @param verdict the proof's sentence
     */
    public record Attacks(String outcome, String verdict) { }

    /** A loss, in nats a token, that no model comes to. */
    private static final double NO_LIMIT = 1000;
    static final String MEMBERSHIP = "Chance that an erased record looks better known than one held out, with its 99 % interval";

    /** Copies the lists. */
    public ErasureSummary {
        facts = List.copyOf(facts);
        numbers = List.copyOf(numbers);
        left = List.copyOf(left);
        notProven = List.copyOf(notProven);
    }

    /**
     * Of a run that no erasure made: a dry run and a refused erasure leave it so.
     *
     * @param learned records that it learned
     * @param made    runs that erasures made of its lineage
     */
    static ErasureSummary ofTraining(int learned, long made) {
        return new ErasureSummary("Nothing was erased from this model: it learned " + records(learned) + (made == 0 ? "."
                : String.format(Locale.ROOT, " and those that were erased since, which made %,d other %s.", made,
                        made == 1 ? "run" : "runs")), Standing.MEASURED, List.of(), List.of(), List.of(), List.of());
    }

    /**
     * Of an erasure.
     *
     * @param membership the last of the numbers; null where it was not measured
     */
    static ErasureSummary of(Erasure account, CertificateSummary certificate, Attacks attacks, Measured membership) {
        boolean certified = certificate.request() != null;
        Standing standing = !account.broken().isEmpty() || "FOUND".equals(attacks.outcome) || certified && !certificate.fits()
                ? Standing.DOUBTFUL : "NOT_FOUND".equals(attacks.outcome) ? Standing.ATTACKED : Standing.MEASURED;
        List<String> notProven = new ArrayList<>(certificate.notProven());
        if (!certified) {
            notProven.addFirst("That anybody vouches for this erasure: it has no certificate.");
        }
        return new ErasureSummary(verdict(account, certificate, attacks), standing, facts(account, certificate, attacks),
                numbers(account, membership), account.left().stream().map(ErasureSummary::left).toList(), notProven);
    }

    private static String verdict(Erasure account, CertificateSummary certificate, Attacks attacks) {
        String what = outcome(account);
        String limits = account.broken().isEmpty() ? "" : "; it broke limits that were to refuse it, and they were ignored";
        String tried = switch (attacks.outcome) {
            case "FOUND" -> "; attacks on the new model still find something of them";
            case "NOT_FOUND" -> "; the attacks that were tried on the new model found nothing of them";
            case "UNDECIDED" -> "; the attacks that were tried on the new model do not decide whether something of them is left";
            case null, default -> "; no attack was tried on the new model";
        };
        String signed = certificate.request() == null || certificate.fits() ? ""
                : "; the files in this run are not those that its certificate signs";
        return what + limits + tried + signed + ".";
    }

    private static String outcome(Erasure account) {
        EraseConfig config = account.config();
        if (account.records().isEmpty()) {
            return String.format(Locale.ROOT, "No record was erased: the model unlearned what the request says in its own words, and its"
                    + " loss on that went from %.2f to %.2f nats a token", account.before().forget(), account.after().forget());
        }
        String erased = records(account.records().size()) + (account.records().size() == 1 ? " was" : " were") + " erased: ";
        double after = account.after().forget();
        if (config.strategy().kind() == Strategy.Kind.RETRAIN) {
            return erased + String.format(Locale.ROOT, "the model was trained again without them%s, and its loss on them is %.2f nats a"
                    + " token (%.2f before)", config.strategy() == Strategy.REPLAY ? ", from a checkpoint of before it saw them" : "",
                    after, account.before().forget());
        }
        return erased + String.format(Locale.ROOT, "the model's loss on them went from %.2f to %.2f nats a token, %s %.2f",
                account.before().forget(), after, switch (config.reference()) {
                    case Reference.HeldOut _ -> "and that of a model that never saw them was put at";
                    case Reference.Retrained _ -> "and the model named as one that never saw them is at";
                    case Reference.Loss _ -> "with no reference but the loss that a person set,";
                }, account.target());
    }

    private static List<Fact> facts(Erasure account, CertificateSummary certificate, Attacks attacks) {
        boolean certified = certificate.request() != null;
        EraseConfig config = account.config();
        List<Fact> facts = new ArrayList<>();
        facts.add(new Fact("request", !certified ? "nobody has signed for whose request it was" : certificate.request()
                + (certificate.request().equals(account.id()) ? ", the erasure's own id: no other was given" : "")));
        facts.add(new Fact("asked for", certificate.requested() != null ? certificate.requested() : "nobody said when"));
        facts.add(new Fact("erased", certified ? "by " + certificate.certified() + ", when it was certified"
                : "no time was kept: only a certificate has one"));
        facts.add(new Fact("records", account.records().isEmpty() ? "none looked for"
                : String.format(Locale.ROOT, "%,d; %s", account.records().size(), found(account))));
        facts.add(new Fact("how", config.strategy().label() + (config.strategy().kind() == Strategy.Kind.RETRAIN ? ""
                : " on " + config.sites()) + ", erasure " + account.id()));
        facts.add(new Fact("destroyed", destroyed(account)));
        account.broken().forEach(sentence -> facts.add(new Fact("limit ignored", sentence)));
        facts.add(new Fact("attacks", attacks.outcome == null ? "none tried (lethe prove tries them)" : attacks.verdict));
        if (certified) {
            facts.add(new Fact("certificate", "SHA-256 " + certificate.sha256()));
            facts.add(new Fact("signed with", "key " + certificate.fingerprint() + (certificate.fits() ? ", as the certificate says; lethe"
                    + " verify checks it" : "; the account or the proof in this run is not the one that it signs")));
        } else {
            facts.add(new Fact("certificate", "none (lethe certify makes one)"));
        }
        return facts;
    }

    /** By what matches, the most frequent reason first by name. */
    private static String found(Erasure account) {
        Map<String, Long> reasons = account.matches().stream()
                .collect(Collectors.groupingBy(Match::reason, TreeMap::new, Collectors.counting()));
        long copies = account.copies().stream().filter(copy -> copy.taken() && !copy.heldOut()).count();
        String by = reasons.entrySet().stream().map(one -> one.getKey() + " (" + one.getValue() + ")").collect(Collectors.joining(", "));
        long kept = account.copies().stream().filter(copy -> !copy.taken() && !copy.heldOut()).count();
        return (by.isEmpty() ? "how they were found was not kept" : by) + (copies == 0 ? "" : ", and copies of them (" + copies + ")")
                + (kept == 0 ? "" : "; " + records((int) kept) + " like them stayed");
    }

    private static String destroyed(Erasure account) {
        List<Destroyed> places = account.places().stream().filter(place -> place.entries() > 0).toList();
        String kept = account.config().keepEntries() ? "; those of the run it began with were kept, as told" : "";
        if (places.isEmpty()) {
            return "no stored gradient" + (account.config().keepEntries() ? kept : ": none of theirs was there");
        }
        return String.format(Locale.ROOT, "their stored gradients, %,d in each of %,d %s of the model (what they share counts in both)%s",
                account.entriesDestroyed(), places.size(), places.size() == 1 ? "run" : "runs", kept);
    }

    private static List<Measured> numbers(Erasure account, Measured membership) {
        Erasure.Relearning probe = account.relearning();
        String reference = switch (account.config().reference()) {
            case Reference.HeldOut _ -> "never seen";
            case Reference.Retrained _ -> "the model named";
            case Reference.Loss _ -> "set by a person";
        };
        List<Measured> numbers = new ArrayList<>();
        numbers.add(loss(account.records().isEmpty() ? "Loss on the request's text" : "Loss on the erased records",
                account.before().forget(), account.after().forget(), account.target(), reference));
        numbers.add(loss("Loss on records kept, a sample", account.before().retain(), account.after().retain(),
                limit(account, account.before().retain() + account.config().retainGuard()), "at most"));
        numbers.add(loss("Loss on records held out", account.before().heldOut(), account.after().heldOut(),
                limit(account, account.before().heldOut() * (1 + account.config().heldOutGuard())), "at most"));
        numbers.add(loss("Loss on some erased, once others were learned again", probe.before(), probe.after(), probe.heldOut(),
                "held out"));
        numbers.add(membership != null ? membership
                : new Measured(MEMBERSHIP, "–", "–", "not measured: no records of both"));
        return numbers;
    }

    /** NaN where no guard held: a retraining has none, and those of the paper's defaults are none. */
    private static double limit(Erasure account, double nats) {
        return account.config().strategy().kind() == Strategy.Kind.RETRAIN || nats > NO_LIMIT ? Double.NaN : nats;
    }

    private static Measured loss(String what, double before, double after, double control, String name) {
        return new Measured(what, nats(before), nats(after), Double.isFinite(control) ? nats(control) + " " + name : "–");
    }

    private static String nats(double loss) {
        return Double.isFinite(loss) ? String.format(Locale.ROOT, "%.3f", loss) : "–";
    }

    private static Left left(Trace place) {
        return new Left(place.path(), place.files(), place.holds() + (place.found() == Trace.Found.YES ? "; the erased are in it"
                : place.found() == Trace.Found.NO ? "; nothing of them was found" : "; whether they are in it cannot be searched"));
    }

    private static String records(int count) {
        return String.format(Locale.ROOT, count == 1 ? "%,d record" : "%,d records", count);
    }
}
