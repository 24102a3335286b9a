package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lethe.base.PrivateFiles;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout;
import dev.lethe.engine.NoLeaks;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import dev.lethe.testing.Families;
import dev.lethe.testing.MemoryFolder;
import dev.lethe.train.TinyData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import tools.jackson.databind.JsonNode;

/** Every command with a model of a family, from a model folder to the report of an erasure. */
@ExtendWith(NoLeaks.class)
abstract class FamilyCommands {
    private static MemoryFolder folder;
    private static TinyData tiny;
    private static ModelShape shape;
    private static ModelLayout layout;
    private static Path base;
    private static Path run;

    @Parameter(0)
    String name;

    @BeforeParameterizedClassInvocation
    static void train(String name) throws IOException {
        folder = new MemoryFolder();
        Path own = folder.path();
        tiny = new TinyData(own, 10);
        shape = Families.of(name, Math.toIntExact(tiny.shape().vocabulary()), 20);
        layout = ModelLayout.of(shape);
        base = own.resolve("base");
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(shape, Dtype.F32)) {
            model.initialize(1);
            Checkpoint.save(model, ModelSettings.of(shape, 1), base, tiny.tokenizer);
        }
        run = own.resolve("run");
        done("train", run, "--model", base, "--data", tiny.file, "--epochs", 20, "--learning-rate", 1e-2, "--sites", "all",
                "--capture", "all", "--holdout", 0.2, "--batch", 6, "--quiet");
    }

    @AfterParameterizedClassInvocation
    static void remove() {
        folder.close();
    }

    private static Shell done(Object... arguments) {
        Shell shell = Shell.run(arguments);
        assertEquals(0, shell.code(), () -> Arrays.toString(arguments) + ": " + shell.err());
        return shell;
    }

    private static JsonNode json(Object... arguments) {
        Object[] all = Arrays.copyOf(arguments, arguments.length + 2);
        all[arguments.length] = "--json";
        all[arguments.length + 1] = "-";
        return done(all).json();
    }

    private static Object[] and(Object[] first, Object... more) {
        return Stream.concat(Arrays.stream(first), Arrays.stream(more)).toArray();
    }

    /** What an erasure of {@link #subject} from a copy of a run says; its steps are cheap and no guard holds. */
    private static JsonNode erased(Path from, Path to, Object... options) throws IOException {
        Path copy = copy(from, to.resolveSibling(to.getFileName() + "-source")); // so that no run has many to tell
        Object[] command = {"erase", copy, "--subject", subject(), "--out", to, "--set", "ignore_guards",
        "--set", "relearn_steps=0",
            "--quiet"};
        JsonNode erasure = json(and(command, options));
        PrivateFiles.deleteTree(copy);
        return erasure;
    }

    private static Path out(String file) {
        return run.resolveSibling(file);
    }

    /** Tensors by name. */
    private static Map<String, float[]> weights(Path model) {
        Map<String, float[]> weights = new LinkedHashMap<>();
        try (Engine engine = Engine.cpu(); LanguageModel loaded = Checkpoint.load(engine, model, Dtype.F32)) {
            for (ModelLayout.TensorInfo info : loaded.tensors()) {
                weights.put(info.name(), loaded.buffer(Buffer.PARAMETERS).readFloats(info.offset(),
                        (int) info.count()));
            }
        }
        return weights;
    }

    @Test
    void everyCaptureOfEverySite() throws IOException {
        List<String> all = layout.sites().stream().map(Site::name).toList();
        for (Object[] policy : new Object[][] {{"first", "head_top_k=4", 1}, {"last", "rank=2", 1},
                {"all", "ledger_dtype=bf16", 2}, {"none", "head_top_k=0", 0}}) {
            Path kept = out("kept-" + policy[0]);
            JsonNode trained = json("train", kept, "--model", base, "--data", tiny.file, "--epochs", 2, "--sites", "all",
                    "--capture",
                    policy[0], "--set", policy[1], "--holdout", 0.2);
            assertEquals(24, trained.get("records").asInt());
            if (policy[0].equals("none")) {
                assertTrue(trained.get("ledger") == null || trained.get("ledger").isNull(), trained.toString());
                continue;
            }
            assertEquals(24 * (int) policy[2], trained.get("ledger").get("entries").asInt());
            assertEquals(all, trained.get("ledger").get("sites").valueStream().map(JsonNode::asString).toList());
            assertEquals("whole", done("inspect", kept).out().lines().findFirst().orElseThrow().replaceAll(".*, ", ""));
            done("score", kept, "--ids", "person0-home", "--method", "cosine");
            erased(kept, out("erased-" + policy[0]), "--reference", 9, "--set", "max_ascents=2", "--set", "polish=2");
        }
        try (GradientLedger ledger = GradientLedger.open(out("kept-last").resolve("ledger"))) {
            assertEquals(shape, ledger.manifest().shape());
            assertEquals(2, ledger.manifest().rank());
        }
    }

    @Test
    void everyStrategyForgets() throws IOException {
        for (Strategy strategy : Strategy.values()) {
            if (strategy.answers()) {
                continue; // its records are plain texts
            }
            Object[] steps = {"--strategy", strategy.label(), "--reference", 1.5};
            JsonNode erasure = erased(run, out(strategy.label()), switch (strategy.kind()) {
                case ASCENT -> and(steps, "--set", "retain_guard=1e9", "--set", "repair_budget=1",
                        "--set", "max_ascents=12",
                        "--set", "polish=4");
                case OBJECTIVE -> and(steps, "--set", "retain_guard=1e9", "--set", "repair_budget=1",
                        "--set", "learning_rate=0.01");
                case RETRAIN -> steps;
            });
            double before = erasure.get("before").get("forget").asDouble(),
                    after = erasure.get("after").get("forget").asDouble();
            assertTrue(after > before + 0.1, strategy + " came from " + before + " to " + after);
            assertEquals(shape, Checkpoint.config(out(strategy.label()).resolve("model")).shape());
            PrivateFiles.deleteTree(out(strategy.label()));
        }
    }

    /** Of a term, its tensors move and no others; a term that names nothing is refused with the family's names. */
    @Test
    void everySelectorMovesItsTensorsAlone() throws IOException {
        String first = layout.sites().stream().filter(site -> site.role() == Site.Role.ATTENTION_INPUT).findFirst()
                .orElseThrow().name();
        Map<String, float[]> before = weights(run.resolve("model"));
        for (String selector : List.of("embedding-input", "head", "attention", "mlp", "mlp-output", "block:1",
                first, "layers.*.mlp.*", "*norm*", "all")) {
            Path to = out("moved-" + selector.replace("*", "x").replace(":", "-"));
            erased(run, to, "--set", "sites=" + selector, "--set", "fixed=1e-2x1", "--set", "repair=0", "--set", "polish=0");
            SiteSet chosen = layout.sites(selector);
            Map<String, float[]> after = weights(to.resolve("model"));
            for (ModelLayout.TensorInfo tensor : layout.tensors()) {
                boolean table = shape.tiedHead() && tensor.site() == 0 && chosen.contains(layout.sites().size() - 1);
                assertEquals(chosen.contains(tensor.site()) || table,
                        !Arrays.equals(before.get(tensor.name()), after.get(tensor.name())), selector + ": "
                        + tensor.name());
            }
            PrivateFiles.deleteTree(to);
        }
        Shell refused = Shell.run("erase", run, "--subject", subject(), "--set", "sites=h.*.mlp.c_fc", "--out",
                out("never"));
        assertEquals(2, refused.code());
        assertTrue(refused.err().contains("no site matches 'h.*.mlp.c_fc'; the model has "
                + layout.sites().getFirst().name() + ", "
                + layout.sites().get(1).name().replace("0", "N")), refused.err());
        assertTrue(Files.notExists(out("never")));
    }

    private static String subject() {
        try {
            return Files.readAllLines(run.resolve("records.jsonl")).getFirst().replaceAll(".*\"id\":\"(\\w+)-.*", "$1");
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void everyScoreRanksEveryRecord() {
        String asked = subject() + "-home";
        for (String method : List.of("dot", "tracin", "cosine", "hvp", "cg", "cg hessian", "ekfac",
                "ekfac-cosine")) {
            String[] words = method.split(" ");
            Object[] command = {"score", run, "--ids", asked, "--method", words[0], "--set", "epochs=19", "--top",
                    0};
            if (Set.of("hvp", "cg", "ekfac", "ekfac-cosine").contains(words[0])) {
                command = and(command, "--set", "curvature_records=6", "--set", "damping=" + (words.length == 2 ? 20 : 0.5),
                        "--set", "tolerance=0.1", "--set", "curvature=" + (words.length == 2 ? words[1] : "gauss-newton"));
            }
            JsonNode scores = json(command).get("records");
            assertEquals(24, scores.size(), method);
            scores.forEach(score -> assertTrue(Double.isFinite(score.get("score").asDouble()), method + score));
            if (!words[0].equals("hvp")) { // no inverse: what curves most comes first
                String first = scores.get(0).get("id").asString();
                assertTrue(method.startsWith("ekfac") ? first.endsWith("-home") : first.equals(asked), method + ": "
                        + first);
            }
        }
        assertEquals(24, json("score", run, "--method", "self", "--set", "epochs=19", "--top",
                0).get("records").size());
        assertEquals(1, json("score", run, "--ids", asked, "--method", "act-grad").get("records").size());
        JsonNode bySite = json("score", run, "--ids", asked, "--set", "epochs=19", "--top", 1, "--sites",
                "attention,mlp")
                .get("records").get(0);
        assertTrue(bySite.get("score").asDouble() != 0, bySite.toString());
    }

    @Test
    void measuresErasesAndReports() throws IOException {
        JsonNode eval = json("eval", run, "--data", tiny.file, "--continue", 2);
        JsonNode bare = json("eval", run.resolve("model"), "--data", tiny.file, "--continue", 2);
        assertEquals(eval.get("mean_loss"), bare.get("mean_loss"));
        assertEquals(eval.get("rouge"), bare.get("rouge"));
        assertTrue(eval.get("rouge").get("records").asInt() == 2, eval.toString());
        Path own = copy(run, out("own"));
        Path erased = out("reported");
        done("erase", own, "--subject", subject(), "--set", "ignore_guards", "--set", "max_ascents=4", "--set", "polish=3",
                "--set", "relearn_steps=2", "--out", erased, "--quiet");
        for (Path whole : List.of(own, erased, own.resolve("model"))) {
            done("inspect", whole);
        }
        assertTrue(json("inspect", own).get("ledger").get("reclaimable").asLong() > 0);
        done("compact", own);
        assertEquals(0, json("inspect", own).get("ledger").get("reclaimable").asLong());
        done("report", erased, "--reference", run);
        String page = Files.readString(erased.resolve("report/report.html"));
        assertTrue(page.contains(shape.summary()), "model");
        assertTrue(page.contains("<svg"));
    }

    private static Path copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()));
            }
        }
        return to;
    }

    @Test
    void bf16ComputesWhereTheProcessorCan() throws IOException {
        Shell shell = Shell.run("train", out("narrow"), "--model", base, "--data", tiny.file, "--epochs", 1, "--sites",
                "all",
                "--set", "compute=bf16", "--quiet");
        assumeTrue(!shell.err().contains("bf16 compute on the CPU needs"), shell.err());
        assertEquals(0, shell.code(), shell.err());
        erased(out("narrow"), out("narrow-erased"), "--set", "compute=bf16", "--set", "max_ascents=2", "--set", "polish=1");
        double wide = json("eval", run, "--data", tiny.file).get("mean_loss").asDouble();
        assertEquals(wide, json("eval", run, "--data", tiny.file,
                "--set", "compute=bf16").get("mean_loss").asDouble(), 0.05 * wide);
    }

    /** Two shards of the folder, and what is trained from them is what is trained from the one file. */
    @Test
    void shardsAreTheSameModel() throws IOException {
        Path shards = out("shards");
        Shards.write(base, shards);
        assertArrayEquals(weights(base).values().toArray(), weights(shards).values().toArray());
        for (Path from : List.of(base, shards)) {
            done("train",
                    out("of-" + from.getFileName()), "--model", from, "--data", tiny.file, "--set", "max_steps=2",
                    "--capture", "none", "--quiet");
        }
        assertEquals(Checkpoint.hash(out("of-base").resolve("model")),
                Checkpoint.hash(out("of-shards").resolve("model")));
    }
}
