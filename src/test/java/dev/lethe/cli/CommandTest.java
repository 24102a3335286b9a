package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.lethe.base.PrivateFiles;
import dev.lethe.base.PrivateFilesTest;
import dev.lethe.engine.Engine;
import dev.lethe.ledger.Destruction;
import dev.lethe.ledger.Entry.RecordKey;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Every command through the entry a shell uses: exit codes, messages, and a stdout with nothing but results. */
class CommandTest {
    private static final String SHAPE = "gpt2:layers=1,hidden=16,heads=2,ctx=48";
    @TempDir
    static Path folder;
    private static Path data;
    private static Path run;
    private static Shell trained;

    @BeforeAll
    static void train() throws Exception {
        List<String> people = Files.readAllLines(
                Path.of(CommandTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        data = Files.write(folder.resolve("people.jsonl"), people.subList(0, 30));
        run = folder.resolve("run");
        trained = Shell.run("train", run, "--data", data, "--model", SHAPE, "--epochs", 2, "--learning-rate", 1e-3,
                "--set", "head_top_k=8",
                "--holdout", 0.1, "--json", "-");
    }

    @Test
    void usageErrorsExitWithTwoAndSayWhereHelpIs() {
        assertEquals(Shell.run("--help"), Shell.run());
        assertEquals(2, Shell.run("trian").code());
        assertTrue(Shell.run("trian").err().contains("Did you mean: lethe train"));
        assertEquals("lethe: epochs=x: must be a whole number; see: lethe settings train\n",
                Shell.run("train", folder, "--epochs", "x").err());
        assertEquals(0, Shell.run("--help").code());
        assertEquals("lethe 0.1.0\n", Shell.run("--version").out());
    }

    @Test
    void optionsAreCheckedBeforeAnythingIsWritten() {
        Path out = folder.resolve("never");
        assertRefused("--data FILE is missing: the records to train on", "train", out, "--model", "gpt2");
        assertRefused("say what to start from by --model: a Hugging Face folder, an adapter's, or a shape for random weights such as"
                + " gpt2:layers=4,hidden=256", "train", out,
                "--data", data);
        assertRefused("head_top_k=half: must be a whole number; see: lethe settings train", "train", out, "--data", data,
                "--model", SHAPE, "--set", "head_top_k=half");
        assertRefused("epochs is 0, must be at least 1; batch is -1, must be 1 to 65536\nlethe: see: lethe train --epochs N --batch N", "train",
                out, "--data", data, "--model", SHAPE, "--epochs", 0, "--batch", -1);
        assertRefused("threads=-1: must be 0 to 1024; see: lethe settings eval", "eval", run, "--set", "threads=-1");
        assertRefused("device=gpu: device 'gpu': use cpu, cuda or cuda:N; see: lethe settings eval", "eval", run,
                "--device", "gpu");
        assertRefused("say which records are meant by exactly one of --ids, --subject and --text", "find", run);
        assertRefused("--fuzzy goes with --text", "find", run, "--subject", "dave", "--fuzzy", 80);
        assertFalse(Files.exists(out));
    }

    @Test
    void aMissingGpuIsAnErrorAndNeverAnotherDevice() {
        assumeFalse(Engine.buildInfo().cudaDevices() > 0, "this machine has a CUDA device");
        Shell shell = Shell.run("eval", run, "--device", "cuda");
        assertEquals(2, shell.code());
        assertTrue(shell.err().startsWith("lethe: device cuda:0: "), shell.err());
    }

    @Test
    void trainingGivesOneJsonObjectAndItsProgressElsewhere() {
        assertEquals(0, trained.code(), trained.err());
        JsonNode json = trained.json();
        assertEquals(27, json.get("records").asInt());
        assertEquals(3, json.get("held_out").asInt());
        assertEquals(8, json.get("steps").asInt());
        assertEquals(27, json.get("ledger").get("entries").asInt());
        assertTrue(json.get("final_loss").asDouble() > 0);
        assertTrue(trained.err().contains("lethe: train: 27 records, 3 held out, 8 steps"), trained.err());
        assertTrue(trained.err().contains("epoch 2/2"), trained.err());
    }

    @Test
    void quietTrainingSaysNothing() {
        Shell shell = Shell.run("train", folder.resolve("quiet"), "--quiet", "--data", data, "--model", SHAPE,
                "--set", "max_steps=1",
                "--capture", "none", "--json", folder.resolve("quiet.json"));
        assertEquals("", shell.err());
        assertEquals(0, shell.code());
        assertTrue(shell.out().startsWith("run "), shell.out());
        assertTrue(Files.exists(folder.resolve("quiet.json")));
    }

    @Test
    void findShowsReasonsAndNamesNearOnes() {
        JsonNode match = Shell.run("find", run, "--text", "dave umbrolio job", "--fuzzy", 90, "--json", "-").json()
                .get("matches").get(0);
        assertEquals("dave-job", match.get("record_id").asString());
        assertTrue(match.get("reason").asString().startsWith("has 3 of the 3 words looked for"));
        assertRefused("unknown subject Dave: not in the training data; near Dave: dave", "find", run, "--subject",
                "Dave");
        assertRefused("name what to search: a RUN, or a file by --data FILE", "find", "--subject", "dave");
        assertEquals(Shell.run("find", run, "--subject", "dave").out(),
                Shell.run("find", run, "--data", data, "--subject", "dave").out());
    }

    @Test
    void findNamesTheNearestWhereATextIsNowhere() {
        Shell shell = Shell.run("find", run, "--text", "d\u00E1ve Umbrolia");
        assertEquals(0, shell.code());
        List<String> lines = shell.out().lines().toList();
        assertEquals("0 of 27 records match", lines.get(0));
        assertEquals("the nearest, not among them:", lines.get(1));
        assertTrue(lines.get(2).matches(" 91\\.7  dave-\\w+ +has 1 of the 2 words looked for: d\u00E1ve=Dave; nearly: Umbrolia~Umbrolio"),
                shell.out());
        JsonNode json = Shell.run("find", "--data", data, "--text", "d\u00E1ve Umbrolia", "--json", "-").json();
        assertEquals(0, json.get("matches").size());
        assertEquals(3, json.get("near_misses").size());
    }

    @Test
    void evalTakesARunAndABareFolder() {
        JsonNode json = Shell.run("eval", run, "--data", data, "--json", "-", "--continue", 2).json();
        assertEquals(30, json.get("records").size());
        double sum = 0;
        long tokens = 0;
        for (JsonNode record : json.get("records")) {
            sum += record.get("loss").asDouble() * record.get("tokens").asInt();
            tokens += record.get("tokens").asInt();
        }
        assertEquals(sum / tokens, json.get("mean_loss").asDouble(), 1e-9);
        assertEquals(Math.exp(sum / tokens), json.get("perplexity").asDouble(), 1e-6 * Math.exp(sum / tokens));
        assertEquals(2, json.get("rouge").get("records").asInt());
        assertTrue(json.get("membership_auc").get("min_k").asDouble() <= 1);
        JsonNode bare = Shell.run("eval", run.resolve("model"), "--data", data, "--json", "-", "--continue", 0).json();
        assertEquals(json.get("mean_loss").asDouble(), bare.get("mean_loss").asDouble());
        assertFalse(bare.has("rouge"));
        assertRefused("--data FILE is missing: " + run.resolve("model") + " is not a run and knows no records", "eval",
                run.resolve("model"));
        assertEquals(2, Shell.run("eval", folder).code());
    }

    @Test
    void evalBesideAReferenceHasTwoColumns() {
        Shell shell = Shell.run("eval", run, "--reference", run.resolve("model"), "--data", data, "--continue", 0);
        assertTrue(shell.out().matches("(?s) +run +reference\n.*mean token loss, nats +([0-9.]+) +\\1\n.*"), shell.out());
    }

    @Test
    void scoreRanksAQueryByEveryMethod() throws IOException {
        for (String method : List.of("dot", "tracin", "cosine")) {
            JsonNode json = Shell.run("score", run, "--ids", "dave-job", "--method", method, "--json", "-").json();
            assertEquals(method, json.get("method").asString());
            assertEquals(27, json.get("scored").asInt());
            assertEquals(20, json.get("records").size());
            assertEquals("dave-job", json.get("records").get(0).get("id").asString(), method);
        }
        for (String method : List.of("hvp", "cg", "ekfac")) {
            JsonNode json = Shell.run("score", run, "--ids", "dave-job", "--method", method, "--set", "damping=0.5",
                    "--set", "curvature_records=8", "--set", "tolerance=0.1", "--top", 0, "--json", "-").json();
            assertEquals(27, json.get("records").size(), method);
            assertEquals("dense", json.get("form").asString());
            if (!method.equals("hvp")) {
                assertEquals("dave-job", json.get("records").get(0).get("id").asString(), method);
            }
        }
        JsonNode self = Shell.run("score", run, "--method", "self", "--top", 0, "--json", "-").json();
        assertEquals(27, self.get("records").size());
        assertTrue(self.get("records").get(26).get("score").asDouble() > 0);
        Path csv = folder.resolve("scores.csv");
        Path plot = folder.resolve("scores.svg");
        Shell many = Shell.run("score", run, "--queries", data, "--top", 3, "--set", "query_memory=1", "--csv", csv,
                "--plot", plot, "--json", "-");
        assertEquals(30, many.json().get("queries").size());
        List<String> lines = Files.readAllLines(csv);
        assertEquals("query,rank,id,score,wte,lm_head", lines.getFirst());
        assertEquals(1 + 30 * 3, lines.size());
        assertTrue(Files.readString(plot).startsWith("<svg"));
    }

    @Test
    void theExperimentMeasuresPrecisionWithIntervals() throws IOException {
        JsonNode json = Shell.run("experiment", "influence", run, "--queries", data, "--at", 2, "--methods",
                "cosine,self", "--json", "-").json();
        assertEquals(30, json.get("queries").asInt());
        JsonNode cosine = json.get("methods").get(0);
        assertEquals(30, cosine.get("per_query").size());
        assertTrue(cosine.get("low").asDouble() <= cosine.get("precision").asDouble());
        assertTrue(cosine.get("precision").asDouble() <= json.get("best").asDouble());
        assertTrue(cosine.get("first").asDouble() <= cosine.get("first_high").asDouble());
        assertRefused("name a SPEC.json, or an experiment: influence, lds or loo", "experiment");
        Path plain = Files.writeString(folder.resolve("plain.json"), """
                {"data": {"bundled": "people"}, "model": "gpt2:layers=1,hidden=16,heads=2,ctx=64,vocab=1024",
                 "forget": {"dave": {"subjects": ["dave"]}}}""");
        assertRefused(plain + ": has no base", "experiment", plain, "--out", folder.resolve("study"), "--base-only");
        assertRefused("--base-only makes the base and nothing else: leave out --dry-run, --only and --seeds", "experiment", plain, "--out",
                folder.resolve("study"), "--base-only", "--dry-run");
        assertRefused("curvature=newton: must be one of hessian, gauss-newton; see: lethe settings score", "score", run,
                "--text", "a", "--method", "cg",
                "--set", "curvature=newton");
        assertRefused("curvature: damping is -1.0, must be 0 or more", "score", run, "--text", "a", "--method", "cg",
                "--set", "damping=-1");
    }

    @Test
    void factorsAreFittedOnceAndAPromptIsAnswered() throws IOException {
        Object[] ekfac = {"score", run, "--prompt", "What is the job of Dave Umbrolio?", "--method", "ekfac-cosine",
            "--set", "curvature_records=5"};
        Shell first = Shell.run(ekfac);
        Shell second = Shell.run(ekfac);
        assertEquals(0, first.code(), first.err());
        assertTrue(first.err().contains("factors of 5 records fitted and kept in "), first.err());
        assertTrue(second.err().contains("factors of 5 records from "), second.err());
        assertEquals(first.out(), second.out());
        PrivateFilesTest.assertPrivate(run);
        assertTrue(first.err().contains("the model answers: "), first.err());
        Shell given = Shell.run("score", run, "--prompt", "What is the job of Dave Umbrolio?", "--text",
                "Dave Umbrolio earns a living by cutting ice blocks into chess pieces for hotels.", "--method", "cosine");
        assertEquals(given.out(), Shell.run("score", run, "--ids", "dave-job", "--method", "cosine").out());
    }

    @Test
    void scoresAreHeldAgainstRetrainings() {
        JsonNode lds = Shell.run("experiment", "lds", run, "--queries", data, "--subsets", 4, "--repeats", 2,
                "--methods", "dot,cosine", "--json", "-").json();
        assertEquals(4, lds.get("retrainings").asInt());
        assertEquals(2, lds.get("methods").size());
        assertTrue(lds.has("reliability"));
        assertTrue(lds.get("methods").get(0).get("rank_low").asDouble() <= lds.get("methods").get(0).get("rank").asDouble());
        JsonNode loo = Shell.run("experiment", "loo", run, "--queries", data, "--leave", 3, "--methods", "dot",
                "--json", "-").json();
        assertTrue(loo.get("likelier_sign").asDouble() >= 0.5);
        assertTrue(loo.get("methods").get(0).get("sign").asDouble() <= 1);
        assertRefused("--share 1.0: must be above 0 and below 1", "experiment", "lds", run, "--queries", data,
                "--share", 1);
    }

    @Test
    void thePapersAscentNeedsTheFirstEpoch() {
        Shell shell = Shell.run("erase", run, "--subject", "dave", "--set", "defaults=paper", "--out",
                folder.resolve("paper"));
        assertEquals(2, shell.code());
        assertTrue(shell.err().endsWith("lethe: epochs first: this run captured epoch 1 alone, counted from 0; use the strategy"
                + " last-epoch, or train with capture first\n"), shell.err());
    }

    @Test
    void scoreRefusesWhatItCannotAnswer() {
        assertRefused("name the query by exactly one of --text, --ids, --queries and --erased", "score", run);
        assertRefused("--method nope: there are dot, tracin, cosine, self, act-grad, hvp, cg, ekfac, ekfac-cosine", "score", run, "--text", "a",
                "--method", "nope");
        assertRefused("sites=all: the ledger of " + run + " holds wte, lm_head; choose among these", "score",
                run, "--text", "a", "--sites", "all");
        assertRefused("epochs=0: the ledger holds epochs 1; choose among these, or train with --capture"
                + " all", "score", run, "--text", "a", "--set", "epochs=0");
        assertRefused("--method self scores each record on itself and takes no query", "score", run, "--method",
                "self", "--text", "a");
        assertRefused("--erased: " + run.resolve("model") + " is not a run that an erasure made", "score", run,
                "--erased");
        Shell longer = Shell.run("score", run, "--text", "word ".repeat(99));
        assertEquals(2, longer.code());
        assertTrue(longer.err().matches("(?s)lethe: query: .*record query: \\d+ tokens, the model's context allows 49;"
                + " shorten it\n"), longer.err());
        assertRefused("scores.gif: end the name in .svg or .png", "score", run, "--text", "a", "--plot",
                "scores.gif");
    }

    @Test
    void inspectReadsEveryByte() throws IOException {
        assertEquals(0, Shell.run("inspect", run).code());
        assertEquals("checkpoint", Shell.run("inspect", run.resolve("model"), "--json", "-").json().get("kind").asString());
        Path copy = folder.resolve("copy");
        copyTree(run.resolve("ledger"), copy);
        Path segment;
        try (var files = Files.list(copy)) {
            segment = files.filter(file -> file.toString().endsWith(".ledger")).findFirst().orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(segment);
        bytes[bytes.length / 4] ^= 1;
        Files.write(segment, bytes, StandardOpenOption.TRUNCATE_EXISTING);
        Shell shell = Shell.run("inspect", copy);
        assertEquals(4, shell.code(), shell.toString());
        assertTrue(shell.out().contains("ledger, NOT WHOLE"), shell.out());
        assertRefused(folder.resolve("nowhere") + ": there is no such file or folder", "inspect", folder.resolve("nowhere"));
    }

    @Test
    void inspectComparesWhatLetheJsonNames() throws IOException {
        Path other = folder.resolve("other");
        assertEquals(0, Shell.run("train", other, "--quiet", "--data", data, "--model", SHAPE, "--epochs", 2,
                "--learning-rate", 2e-3,
                "--set", "head_top_k=8", "--holdout", 0.1, "--set", "seed=7").code());
        String weights = "model/model.safetensors";
        String notNamed = " not those that lethe.json names (SHA-256 ";
        assertDamaged("a bit of a weight", "model: its weights are" + notNamed, copy -> {
            byte[] bytes = Files.readAllBytes(copy.resolve(weights));
            bytes[bytes.length - 5] ^= 1;
            Files.write(copy.resolve(weights), bytes);
        });
        assertDamaged("another model's weights", "model: its weights are" + notNamed,
                copy -> Files.copy(other.resolve(weights), copy.resolve(weights), StandardCopyOption.REPLACE_EXISTING));
        assertDamaged("an id", "the records in records.jsonl are" + notNamed,
                copy -> replace(copy.resolve("records.jsonl"), "dave-job", "dave-jab"));
        assertDamaged("a split", "the records in records.jsonl are" + notNamed,
                copy -> replace(copy.resolve("records.jsonl"), "holdout", "train"));
        assertDamaged("tokens swapped", "model: config.json and the tokenizer's files are" + notNamed,
                copy -> replace(copy.resolve("model/vocab.json"), "\"he\": ", "\"hhe\": "));
        assertDamaged("heads", "model: is a model of ModelShape[",
                copy -> replace(copy.resolve("model/config.json"), "\"n_head\" : 2", "\"n_head\" : 4"));
        assertDamaged("the ledger of another training", "ledger: the weights that its training began with are" + notNamed,
                copy -> {
                    PrivateFiles.deleteTree(copy.resolve("ledger"));
                    copyTree(other.resolve("ledger"), copy.resolve("ledger"));
                });
        assertDamaged("no ledger", "ledger: is missing, lethe.json says that 27 entries were captured",
                copy -> PrivateFiles.deleteTree(copy.resolve("ledger")));
        Path older = folder.resolve("older"); // a run of a version that held no hash of the settings
        copyTree(run, older);
        Files.writeString(older.resolve("lethe.json"),
                Files.readString(older.resolve("lethe.json")).replaceAll(" *\"settings_hash\" : \"\\w+\",\n", ""));
        assertFalse(Shell.run("inspect", older, "--json", "-").json().get("run").get("result").hasNonNull("settings_hash"));
        assertEquals(0, Shell.run("inspect", older).code());
    }

    private interface Change {
        void of(Path run) throws IOException;
    }

    private static void assertDamaged(String what, String problem, Change change) throws IOException {
        Path copy = folder.resolve("damaged");
        copyTree(run, copy);
        change.of(copy);
        Shell shell = Shell.run("inspect", copy);
        assertEquals(4, shell.code(), what + ": " + shell);
        assertTrue(shell.out().contains(problem), what + ": " + shell);
        PrivateFiles.deleteTree(copy);
    }

    private static void replace(Path file, String from, String to) throws IOException {
        String text = Files.readString(file);
        assertTrue(text.contains(from), file + " has " + from);
        Files.writeString(file, text.replace(from, to));
    }

    @Test
    void compactGivesBackWhatWasDestroyed() throws IOException {
        Path copy = folder.resolve("compacted");
        copyTree(run.resolve("ledger"), copy);
        Destruction.destroy(copy, Set.of(RecordKey.of("dave-job")));
        JsonNode before = Shell.run("inspect", copy, "--json", "-").json().get("ledger");
        assertTrue(before.get("reclaimable").asLong() > 0);
        assertEquals(27, before.get("epochs").get(0).get("entries").asInt());
        JsonNode json = Shell.run("compact", copy, "--json", "-").json();
        assertEquals(before.get("reclaimable").asLong(), json.get("bytes_before").asLong() - json.get("bytes_after").asLong());
        assertEquals(0, Shell.run("inspect", copy, "--json", "-").json().get("ledger").get("reclaimable").asLong());
        assertRefused(run.resolve("model") + ": neither a run with a ledger nor a ledger (no manifest.json)", "compact",
                run.resolve("model"));
    }

    @Test
    void doctorKnowsTheMachine() {
        JsonNode json = Shell.run("doctor", "--json", "-").json();
        assertEquals(0, json.get("missing").size());
        assertFalse(json.get("torch_version").isNull());
    }

    private static void copyTree(Path from, Path to) throws IOException {
        try (var files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()));
            }
        }
    }

    private static void assertRefused(String message, Object... arguments) {
        assertEquals(new Shell(2, "", "lethe: " + message + "\n"), Shell.run(arguments));
    }
}
