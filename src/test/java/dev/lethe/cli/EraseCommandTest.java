package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.PrivateFilesTest;
import dev.lethe.run.IdKey;
import dev.lethe.settings.Strategy;
import dev.lethe.testing.Grep;
import dev.lethe.run.RunFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** score, erase and report on a tiny run: results, refusals that change nothing, and what is left on disk. */
class EraseCommandTest {
    private static final String ASCENTS = "last-epoch, first-epoch, multi-epoch, fresh, task-vector, gauss-newton";
    @TempDir
    static Path folder;
    private static Path run;
    private static String everyone;

    @BeforeAll
    static void train() throws Exception {
        List<String> people = Files.readAllLines(
                Path.of(EraseCommandTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        Path data = Files.write(folder.resolve("people.jsonl"), people.subList(0, 30));
        Path heldOut = Files.write(folder.resolve("held-out.jsonl"), people.subList(30, 34));
        run = folder.resolve("run");
        everyone = people.subList(0, 30).stream().map(line -> line.split("\"")[3]).collect(Collectors.joining(","));
        Shell trained = Shell.run("train", run, "--quiet", "--data", data, "--model",
                "gpt2:layers=1,hidden=16,heads=2,ctx=48",
                "--epochs", 3, "--learning-rate", 5e-3, "--set", "head_top_k=8", "--holdout", heldOut);
        assertEquals(0, trained.code(), trained.err());
    }

    @Test
    void dryRunShowsWhatIsMeantAndChangesNothing() {
        Shell shell = Shell.run("erase", run, "--ids", "dave-job,dave-pet", "--dry-run");
        assertEquals(0, shell.code(), shell.err());
        assertTrue(shell.out().endsWith("2 of 30 records would be erased; nothing was changed\n"), shell.out());
        assertEquals(2, Shell.run("erase", run, "--ids", "dave-job,dave-pet", "--dry-run", "--json", "-").json()
                .get("matches").size());
    }

    @Test
    void badRequestsExitWithTwo() {
        Path out = folder.resolve("never");
        assertRefused("--out RUN2 is missing: the folder of the new run", "erase", run, "--ids", "dave-job");
        assertRefused("no record matches; nothing to erase", "erase", run, "--text", "not there", "--out", out);
        assertRefused("unknown subject nobody: not in the training data", "erase", run, "--subject", "nobody",
                "--out", out);
        assertRefused("unknown strategy 'hope'; known are " + Strategy.labels() + "; see: lethe settings erase",
                "erase", run, "--ids",
                "dave-job", "--out", out, "--strategy", "hope");
        assertRefused("beta is a setting of npo, simnpo, wga, satimp, undial, dpo, altpo, not of grad-diff; contrast is a setting of " + ASCENTS + ", not of grad-diff; rate is"
                + " a setting of " + ASCENTS + ", not of grad-diff; see: lethe settings erase", "erase", run, "--ids",
                "dave-job", "--out", out, "--strategy", "grad-diff",
                "--set", "beta=2", "--set", "contrast=mean", "--set", "fixed=1e-3x5", "--set", "rate=0.1",
                "--set", "overshoot=0.2");
        assertRefused("request looks for no records: it goes with iterative=SHARExROUNDS, and without --ids, --subject,"
                + " --text and --dry-run", "erase", run, "--set", "request=" + folder.resolve("people.jsonl"), "--out",
                out);
        assertRefused("the forget set is the whole data (30 records): nothing would be kept; train a new model instead",
                "erase", run, "--ids", everyone, "--out", out);
        assertRefused("overshoot is not used beside fixed; see: lethe settings erase", "erase", run, "--ids",
                "dave-job", "--out",
                out, "--set", "fixed=1x1", "--set", "overshoot=1");
        assertRefused("learning_rate is not used beside fixed; see: lethe settings erase", "erase", run, "--ids", "dave-job", "--out", out,
                "--strategy", "npo", "--set", "fixed=1e-3x5", "--set", "learning_rate=1e-3");
        assertRefused("repair_rate is not used without repair and polish; hold is not used without repair and polish;"
                + " see: lethe settings erase", "erase", run, "--ids", "dave-job", "--out", out,
                "--set", "repair=0", "--set", "polish=0", "--set", "hold=4", "--set", "repair_rate=1e-3");
        assertRefused("keep_guard watches the text of keep, which is missing; see: lethe settings erase", "erase", run,
                "--ids", "dave-job",
                "--out", out, "--set", "keep_guard=1");
        assertRefused("keep is a setting of all but retrain, replay, not of retrain; see: lethe settings erase", "erase", run,
                "--ids", "dave-job", "--out", out, "--strategy",
                "retrain", "--set", "keep=" + folder.resolve("people.jsonl"));
        assertRefused(folder.resolve("none.txt") + ": no such file", "erase", run, "--ids", "dave-job", "--out", out,
                "--set", "keep=" + folder.resolve("none.txt"));
        assertFalse(Files.exists(out));
    }

    @Test
    void textToKeepIsToldBesideTheOtherLosses() throws IOException {
        Path text = Files.writeString(folder.resolve("keep.txt"), "It was a dark and stormy night.\nThe rain fell in torrents.\nAll was well.\n");
        Path out = folder.resolve("kept");
        Shell shell = Shell.run("erase", run, "--subject", "mirelle", "--out", out, "--reference", 1,
                "--set", "keep=" + text,
                "--set", "keep_guard=9", "--set", "keep_entries", "--set", "relearn_steps=0",
                "--set", "retain_guard=100", "--set", "held_out_guard=100");
        assertEquals(0, shell.code(), shell.err());
        assertTrue(shell.out().lines().anyMatch(line -> line.matches("  to keep +[0-9.]+ +[0-9.]+   of the text watched")), shell.out());
    }

    @Test
    void aDryRunNamesTheNearestWhereATextIsNowhere() {
        Shell shell = Shell.run("erase", run, "--text", "dave umbrolio", "--dry-run");
        assertEquals(2, shell.code());
        assertTrue(shell.out().startsWith("0 of 30 records would be erased; nothing was changed\nthe nearest, not among them:\n"
                + "100.0  dave-"), shell.out());
        assertTrue(shell.err().contains("no record matches; the nearest are dave-"), shell.err());
        JsonNode json = Shell.run("erase", run, "--text", "dave umbrolio", "--dry-run", "--json", "-").json();
        assertEquals("has 2 of the 2 words looked for: dave=Dave, umbrolio=Umbrolio",
                json.get("near_misses").get(0).get("reason").asString());
    }

    @Test
    void aReplayIsPricedByTheDryRunAndDone() throws IOException {
        Path late = Files.writeString(folder.resolve("late.txt"), "dave\n");
        Path trained = folder.resolve("late");
        Shell train = Shell.run("train", trained, "--data", folder.resolve("people.jsonl"), "--model", "gpt2:layers=1,hidden=16,heads=2,ctx=32",
                "--epochs", 2, "--learning-rate", 1e-3, "--holdout", 0, "--set", "late=" + late, "--set", "keep_at=0.5,1");
        assertEquals(0, train.code(), train.err());
        assertTrue(train.err().matches("(?s).*train: checkpoints to replay from after steps \\d+, \\d+(, \\d+)?, [0-9.]+ MiB\n.*"), train.err());
        Shell dry = Shell.run("erase", trained, "--subject", "dave", "--dry-run");
        assertTrue(dry.out().matches("(?s).*\nstrategy replay: \\d+ of the training's \\d+ steps \\([0-9.]+ %\\), about [0-9.]+ s at its own"
                + " rate, from the checkpoint after step \\d+\n.*"), dry.out());
        JsonNode price = Shell.run("erase", trained, "--subject", "dave", "--dry-run", "--json", "-").json().get("replay");
        JsonNode erased = Shell.run("erase", trained, "--subject", "dave", "--out", folder.resolve("replayed"), "--strategy", "replay",
                "--reference", 1, "--set", "relearn_steps=0", "--json", "-").json();
        assertEquals(price.get("steps").asInt(), erased.get("repairs").asInt());
        assertTrue(price.get("from").asInt() > 0 && erased.get("entries_destroyed").asInt() > 0, erased.toString());
        Files.writeString(late, "davy\n");
        assertRefused(late + ": names 1 subjects or ids that " + folder.resolve("people.jsonl") + " does not have: davy; write them as the"
                + " data does, one a line", "train", folder.resolve("none"), "--data",
                folder.resolve("people.jsonl"), "--model", "gpt2:layers=1,hidden=16,heads=2,ctx=32", "--set", "late=" + late);
    }

    @Test
    void aReferenceOutOfReachIsRefusedAndNothingChanges() {
        Path out = folder.resolve("refused");
        Shell shell = Shell.run("erase", run, "--subject", "dave", "--out", out, "--reference", 1000,
                "--set", "max_ascents=1", "--set", "contrast=none", "--set", "repair=0", "--set", "polish=0",
                "--set", "relearn_steps=0");
        assertEquals(3, shell.code(), shell.toString());
        assertTrue(shell.err().contains("erasure refused, nothing was changed: "), shell.err());
        assertEquals("", shell.out());
        assertFalse(Files.exists(out));
        assertEquals(0, Shell.run("inspect", run).code());
    }

    @Test
    void erasesIntoANewRunThatCanBeReportedOn() throws IOException {
        double before = Shell.run("eval", run, "--json", "-", "--continue", 0).json().get("mean_loss").asDouble();
        Path out = folder.resolve("erased");
        Shell shell = Shell.run("erase", run, "--subject", "dave", "--out", out, "--reference", before + 0.2,
                "--set", "retain_guard=100", "--set", "held_out_guard=100", "--set", "overshoot=10",
                "--set", "relearn_steps=2", "--set", "keep_entries",
                "--json", "-");
        assertEquals(0, shell.code(), shell.err());
        JsonNode json = shell.json();
        assertTrue(json.get("after").get("forget").asDouble() > json.get("before").get("forget").asDouble());
        assertEquals(10, json.get("matches").size());
        assertEquals(0, json.get("entries_destroyed").asInt());
        JsonNode inspected = Shell.run("inspect", out, "--json", "-").json();
        assertTrue(inspected.get("whole").asBoolean(), inspected.toString());
        assertEquals(20, inspected.get("run").get("data").get("records").asInt());
        assertRefused("unknown subject dave: not in the training data", "find", out, "--subject", "dave");
        JsonNode report = Shell.run("report", out, "--json", "-").json();
        assertTrue(Files.exists(Path.of(report.get("page").asString())));
        assertEquals(List.of("before", "after"),
                List.of(report.get("report").get("columns").get(0).asString(), report.get("report").get("columns").get(1).asString()));
        assertEquals("forget", report.get("report").get("groups").get(0).get("name").asString());
        assertTrue(report.get("report").get("influence").size() > 0);
        assertEquals(10, report.get("report").get("groups").get(0).get("records").asInt(), "measured all the same");
        assertEquals(List.of(), Grep.files(out.resolve("report"), Grep.text("dave-"), Grep.text("Dave Umbrolio")));
        String page = Files.readString(out.resolve("report/report.html"));
        assertTrue(page.contains("No text of an erased record is shown"));
        assertTrue(page.contains("10 records were erased: the model's loss on them went from "), "the verdict");
        assertTrue(page.contains("the loss that a person set") && page.contains("That anybody vouches for this erasure"), page);
        assertTrue(page.contains("those of the run it began with were kept, as told"));
        JsonNode account = new JsonMapper().readTree(Files.readString(out.resolve("journal/erasure.json")));
        assertEquals(account.get("records").valueStream().map(JsonNode::asString).sorted().toList(),
                report.get("report").get("records").valueStream().filter(line -> line.get("group").asString().equals("forget"))
                        .map(line -> line.get("name").asString()).sorted().toList(), "a row a record, by its name in the account");
        assertRefused("--no-samples and --show-erased: give one of them", "report", out, "--no-samples",
                "--show-erased");
        Shell.run("report", out, "--show-erased", "--out", folder.resolve("shown"));
        assertEquals(List.of("report.html", "report.json"), Grep.files(folder.resolve("shown"), Grep.text("dave-")));
        PrivateFilesTest.assertPrivate(run);
        PrivateFilesTest.assertPrivate(out);
    }

    @Test
    void anAccountWithSettingsThatAreGoneIsRead() throws IOException {
        Path out = folder.resolve("before");
        assertEquals(0, erase(run, "mirelle", out).code());
        Path account = out.resolve("journal/erasure.json");
        Files.writeString(account, Files.readString(account).replace("\"repair_rate\" :", "\"harden\" : 5, \"live_contrast\" : 8, \"repair_rate\" :")
                .replaceFirst("\"match\" : [-0-9.]+,", "")); // and one that is new does not
        Files.writeString(out.resolve("journal/steps.jsonl"), "{\"index\":99,\"phase\":\"POLISH\",\"action\":\"HARDEN\",\"rate\":0.003,"
                + "\"forget\":6.1,\"retain\":0.2,\"held_out\":\"NaN\"}\n", StandardOpenOption.APPEND);
        assertTrue(Files.readString(account).contains("harden") && !Files.readString(account).contains("\"match\""));
        assertEquals(0, RunFolder.open(out).account().config().match(), "nothing was matched then");
        Shell report = Shell.run("report", out, "--json", "-");
        assertEquals(0, report.code(), report.err());
        assertTrue(Files.readString(out.resolve("report/report.html")).contains("10 records were erased"));
        assertEquals(0, Shell.run("inspect", out, "--personal").code());
        Shell next = erase(out, "dave", folder.resolve("after"));
        assertEquals(0, next.code(), next.err());
        Files.writeString(account, Files.readString(account).replace("\"harden\"", "\"softened\""));
        Shell damaged = Shell.run("report", out);
        assertEquals(4, damaged.code());
        assertTrue(damaged.err().contains(account + ": Unrecognized property \"softened\""), damaged.err());
    }

    /** Calibrated in name only: what is read, not what is forgotten, is asked. */
    private static Shell erase(Path from, String subject, Path out) {
        return Shell.run("erase", from, "--subject", subject, "--out", out, "--set", "ignore_guards", "--set", "max_ascents=1",
                "--set", "polish=0", "--set", "relearn_steps=0", "--set", "keep_entries", "--quiet");
    }

    @Test
    void copiesAreNamedTakenOrKept() throws Exception {
        List<String> people = Files.readAllLines(folder.resolve("people.jsonl"));
        String copy = people.getFirst().replace("\"dave-job\"", "\"other-job\"").replace("\"dave\"", "\"other\"").replace("hotels", "HOTELS");
        Path data = folder.resolve("with-copy.jsonl");
        Files.write(data, people);
        Files.writeString(data, copy + "\n", StandardOpenOption.APPEND);
        Path doubled = folder.resolve("doubled");
        assertEquals(0, Shell.run("train", doubled, "--quiet", "--data", data, "--model",
                "gpt2:layers=1,hidden=16,heads=2,ctx=48", "--epochs", 1,
                "--set", "head_top_k=8", "--holdout", folder.resolve("held-out.jsonl")).code());
        Path out = folder.resolve("taken");
        assertRefused("1 learned records are not of the request and say what it is to erase: other-job (other) equals dave-job; erase"
                + " them too (copies take), or leave them (copies keep), by which the model may still know the erased ones",
                "erase", doubled, "--subject", "dave", "--out", out);
        Shell dry = Shell.run("erase", doubled, "--subject", "dave", "--dry-run");
        assertTrue(dry.out().contains("copies of them, for --copies to decide on 1: other-job (other) equals dave-job"), dry.out());
        Shell taken = Shell.run("erase", doubled, "--subject", "dave", "--out", out, "--copies", "take", "--reference", 1,
                "--set", "retain_guard=100", "--set", "relearn_steps=0");
        assertEquals(0, taken.code(), taken.err());
        assertTrue(taken.out().contains("records       11 erased, 11 ledger entries destroyed"), taken.out());
        assertTrue(taken.out().contains("copies erased 1: other-job (other) equals dave-job"), taken.out());
        String account = Files.readString(out.resolve("journal/erasure.json"));
        assertTrue(account.contains("\"record_id\" : \"" + IdKey.read(out.resolve("journal")).of("other-job") + "\""), account);
        assertFalse(account.contains("other-job"), account);
    }

    @Test
    void scoresRankRecordsByTheirStoredGradients() {
        JsonNode json = Shell.run("score", run, "--ids", "dave-job", "--top", 5, "--json", "-").json();
        assertEquals(30, json.get("scored").asInt());
        assertEquals(5, json.get("records").size());
        assertTrue(json.get("records").get(0).get("score").asDouble() >= json.get("records").get(1).get("score").asDouble());
        JsonNode response = Shell.run("score", run, "--text", "Dave Umbrolio", "--method", "act-grad", "--json", "-")
                .json();
        assertEquals("query", response.get("records").get(0).get("id").asString());
        assertRefused("sites=all: the ledger of " + run + " holds wte, lm_head; choose among these", "score", run,
                "--text", "a b", "--sites", "all");
        assertRefused("--method magic: there are dot, tracin, cosine, self, act-grad, hvp, cg, ekfac, ekfac-cosine", "score",
                run, "--text", "a b", "--method", "magic");
        assertEquals(2, Shell.run("score", run.resolve("model"), "--text", "a b").code());
    }

    private static void assertRefused(String message, Object... arguments) {
        Shell shell = Shell.run(arguments);
        assertEquals(2, shell.code(), shell.toString());
        assertEquals("lethe: " + message, shell.err().strip().lines().reduce((a, b) -> b).orElse(""));
        assertEquals("", shell.out());
    }
}
