package dev.lethe.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.find.ForgetSet.Match;
import dev.lethe.proof.CertificateSummary;
import dev.lethe.report.ErasureSummary.Attacks;
import dev.lethe.report.ErasureSummary.Standing;
import dev.lethe.results.Destroyed;
import dev.lethe.results.Erasure;
import dev.lethe.results.InfluenceChange;
import dev.lethe.results.Losses;
import dev.lethe.results.Trace;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Each outcome has a sentence of its own, which claims what was measured and no more. */
class ErasureSummaryTest {
    private static final Attacks NONE = new Attacks(null, "");
    private static final CertificateSummary UNSIGNED = new CertificateSummary(null, null, null, null, null, false, List.of("That it is gone."));
    private static final CertificateSummary SIGNED = new CertificateSummary("2026-0117", "2026-11-01T00:00:00Z",
            "2026-11-27T21:57:08Z", "ab12", "cd34", true, List.of("That it is gone."));

    private static EraseConfig config(Strategy strategy, Reference reference) {
        return EraseConfig.of(strategy).toBuilder().sites("embedding").reference(reference).build();
    }

    private static Erasure account(EraseConfig config, int records, List<String> broken) {
        List<String> names = List.of("aa", "bb", "cc").subList(0, records);
        return new Erasure("0123", Path.of("/runs/a"), Path.of("/runs/b"), names,
                names.stream().map(name -> new Match(name, 100, "its subject was asked for")).toList(), config, 6.16,
                new Losses(0.167, 0.165, 6.159), new Losses(6.501, 0.177, 6.263), 17, 45, true, 0, broken, 225,
                new Erasure.Relearning(0.263, 4.687, Double.NaN), InfluenceChange.none(), records,
                List.of(new Copy("dd", null, "aa", 1, false, false)), List.of(new Destroyed("/runs/a", "id", records, null, true, null)),
                List.of(new Trace("/data/people.jsonl", "data", "the records themselves", null, 1, 9, Trace.Reach.YOURS,
                        Trace.Found.YES)), null);
    }

    private static ErasureSummary of(EraseConfig config, Attacks attacks) {
        return ErasureSummary.of(account(config, 2, List.of()), UNSIGNED, attacks, null);
    }

    private static EraseConfig usual() {
        return config(Strategy.LAST_EPOCH, new Reference.HeldOut());
    }

    private static Map<String, String> facts(ErasureSummary summary) {
        return summary.facts().stream().collect(Collectors.toMap(ReportData.Fact::label, ReportData.Fact::value));
    }

    @Test
    void theVerdictSaysWhatItIsMeasuredAgainst() {
        String start = "2 records were erased: the model's loss on them went from 0.17 to 6.50 nats a token, ";
        String end = "; no attack was tried on the new model.";
        assertEquals(start + "and that of a model that never saw them was put at 6.16" + end, of(usual(), NONE).verdict());
        assertEquals(start + "with no reference but the loss that a person set, 6.16" + end,
                of(config(Strategy.FRESH, new Reference.Loss(6.16)), NONE).verdict());
        assertEquals(start + "and the model named as one that never saw them is at 6.16" + end,
                of(config(Strategy.NPO, new Reference.Retrained(Path.of("/runs/c"))), NONE).verdict());
        assertTrue(ErasureSummary.of(account(usual(), 1, List.of()), UNSIGNED, NONE, null).verdict()
                .startsWith("1 record was erased: "));
    }

    @Test
    void aRunThatNoErasureMadeSaysSo() {
        assertEquals("Nothing was erased from this model: it learned 120 records.", ErasureSummary.ofTraining(120, 0).verdict());
        ErasureSummary before = ErasureSummary.ofTraining(110, 2);
        assertEquals("Nothing was erased from this model: it learned 110 records and those that were erased since, which made"
                + " 2 other runs.", before.verdict());
        assertEquals(List.of(), before.numbers());
    }

    @Test
    void aTrainingWithoutThemIsNoUnlearning() {
        assertEquals("2 records were erased: the model was trained again without them, from a checkpoint of before it saw them, and its"
                + " loss on them is 6.50 nats a token (0.17 before); no attack was tried on the new model.",
                of(config(Strategy.REPLAY, new Reference.HeldOut()), NONE).verdict());
        assertFalse(of(config(Strategy.RETRAIN, new Reference.HeldOut()), NONE).verdict().contains("checkpoint"));
    }

    @Test
    void attacksHaveTheLastWord() {
        assertEquals(Standing.MEASURED, of(usual(), NONE).standing());
        ErasureSummary found = of(usual(), new Attacks("FOUND", "The model still gives them away: other-wording."));
        assertTrue(found.verdict().endsWith("; attacks on the new model still find something of them."), found.verdict());
        assertEquals(Standing.DOUBTFUL, found.standing());
        assertEquals("The model still gives them away: other-wording.", facts(found).get("attacks"));
        ErasureSummary nothing = of(usual(), new Attacks("NOT_FOUND", "No attack did."));
        assertTrue(nothing.verdict().endsWith("the attacks that were tried on the new model found nothing of them."), nothing.verdict());
        assertEquals(Standing.ATTACKED, nothing.standing());
        ErasureSummary open = of(usual(), new Attacks("UNDECIDED", "No verdict."));
        assertTrue(open.verdict().endsWith("do not decide whether something of them is left."), open.verdict());
        assertEquals(Standing.MEASURED, open.standing());
    }

    @Test
    void whatItsGuardsRefusedIsDoubtful() {
        ErasureSummary refused = ErasureSummary.of(account(usual(), 2, List.of("the retain loss rose")), SIGNED,
                new Attacks("NOT_FOUND", "No attack did."), null);
        assertEquals(Standing.DOUBTFUL, refused.standing());
        assertTrue(refused.verdict().contains("; it broke limits that were to refuse it, and they were ignored; "), refused.verdict());
        assertEquals("the retain loss rose", facts(refused).get("limit ignored"));
    }

    @Test
    void aRequestInItsOwnWordsErasesNoRecord() {
        ErasureSummary unmatched = ErasureSummary.of(account(usual(), 0, List.of()), UNSIGNED, NONE, null);
        assertTrue(unmatched.verdict().startsWith("No record was erased: "), unmatched.verdict());
        assertEquals("none looked for", facts(unmatched).get("records"));
        assertTrue(facts(unmatched).get("destroyed").startsWith("no stored gradient"));
    }

    @Test
    void withoutACertificateNobodyVouches() {
        ErasureSummary unsigned = of(usual(), NONE);
        assertEquals(List.of("That anybody vouches for this erasure: it has no certificate.", "That it is gone."), unsigned.notProven());
        assertEquals("nobody has signed for whose request it was", facts(unsigned).get("request"));
        assertEquals("no time was kept: only a certificate has one", facts(unsigned).get("erased"));
        assertEquals("none (lethe certify makes one)", facts(unsigned).get("certificate"));
        ErasureSummary signed = ErasureSummary.of(account(usual(), 2, List.of()), SIGNED, NONE, null);
        assertEquals(List.of("That it is gone."), signed.notProven());
        assertEquals("2026-0117", facts(signed).get("request"));
        assertEquals("2026-11-01T00:00:00Z", facts(signed).get("asked for"));
        assertEquals("by 2026-11-27T21:57:08Z, when it was certified", facts(signed).get("erased"));
        assertEquals("SHA-256 ab12", facts(signed).get("certificate"));
        assertEquals("key cd34, as the certificate says; lethe verify checks it", facts(signed).get("signed with"));
        CertificateSummary other = new CertificateSummary("1", null, "2026-11-27T21:57:08Z", "ab12", "cd34", false, List.of());
        ErasureSummary unfit = ErasureSummary.of(account(usual(), 2, List.of()), other, NONE, null);
        assertEquals(Standing.DOUBTFUL, unfit.standing());
        assertTrue(facts(unfit).get("signed with").endsWith("is not the one that it signs"), facts(unfit).toString());
        assertEquals("nobody said when", facts(unfit).get("asked for"));
    }

    @Test
    void fiveNumbersEachBesideItsControl() {
        ErasureSummary summary = of(usual(), NONE);
        assertEquals(List.of("6.160 never seen", "0.665 at most", "6.467 at most", "–", "not measured: no records of both"),
                summary.numbers().stream().map(ErasureSummary.Measured::control).toList());
        assertEquals(List.of("6.501", "0.177", "6.263", "4.687", "–"),
                summary.numbers().stream().map(ErasureSummary.Measured::after).toList());
        assertEquals("2; its subject was asked for (2); 1 record like them stayed", facts(summary).get("records"));
        assertEquals(List.of(new ErasureSummary.Left("/data/people.jsonl", 1, "the records themselves; the erased are in it")),
                summary.left());
        assertEquals("6.160 set by a person", of(config(Strategy.FRESH, new Reference.Loss(6.16)), NONE).numbers().getFirst().control());
    }
}
