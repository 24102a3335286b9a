package dev.lethe.spec;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import dev.lethe.base.Settings;
import dev.lethe.data.DataForm;
import dev.lethe.model.TokenizerTrainer;
import dev.lethe.run.RunJson;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.spec.Spec.Block;
import dev.lethe.spec.Spec.Forget;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/** Reads and checks a spec. Everything that is wrong with it is told at once, each problem with its JSON path. */
public final class SpecReader {
    private static final int MANY = Integer.MAX_VALUE;

    private final List<String> problems = new ArrayList<>();

    private SpecReader() { }

    /**
     * A checked spec; the files it names need not be there.
     *
     * @throws BadInputException listing every problem
     */
    public static Spec read(Path file) {
        return read(file, null);
    }

    /** As {@link #read(Path)}; with {@code files} a data file that is not there is a problem too. */
    public static Spec read(Path file, DataFiles files) {
        JsonNode tree;
        try {
            tree = RunJson.tree(Files.readString(file), file.toString());
        } catch (NoSuchFileException e) {
            throw new BadInputException(file + ": there is no such file", e);
        } catch (DamagedDataException e) {
            throw new BadInputException(Reason.of(e) + "; a spec is one JSON object, see docs/experiment.md", e);
        } catch (IOException e) {
            throw new BadInputException(file + ": cannot be read: " + Reason.of(e, file), e);
        }
        if (!tree.isObject()) {
            throw new BadInputException(file + ": must be one JSON object, see docs/experiment.md");
        }
        SpecReader reader = new SpecReader();
        Spec spec = reader.spec(file, new SpecFields("$", tree, reader.problems));
        SpecCheck.check(spec, files, reader.problems);
        if (!reader.problems.isEmpty()) {
            List<String> distinct = List.copyOf(new LinkedHashSet<>(reader.problems));
            throw new BadInputException(file + ": " + distinct.size() + (distinct.size() == 1 ? " problem\n  " : " problems\n  ")
                    + String.join("\n  ", distinct));
        }
        return spec;
    }

    private Spec spec(Path file, SpecFields top) {
        top.text("$schema", null);
        top.text("description", null);
        String name = top.text("name", stem(file));
        Spec.Data data = data(top);
        String model = top.needed("model", "gpt2:layers=..,hidden=..,heads=..,ctx=.. (or llama, qwen2, qwen3, gpt_neox) or a model folder");
        String tokenizer = top.text("tokenizer", null);
        Spec.Base base = base(top);
        if (base != null && base.vocabulary() > 0 && model != null && ModelSource.isFresh(model) && !model.contains("vocab=")) {
            model += (model.contains(":") ? "," : ":") + "vocab=" + base.vocabulary();
        }
        Spec.Training training = training(top);
        List<Long> seeds = or(top.longs("seeds"), List.of(0L));
        List<String> heads = or(top.texts("heads"), List.of("tied"));
        Map<String, Forget> forget = forget(top);
        List<Block> cells = top.objects("cells").stream().map(this::block).toList();
        int oracles = top.whole("oracles", 0, 0, 10_000);
        Spec spec = new Spec(name, file, data, model, tokenizer, base, training, seeds, heads, forget, cells, oracles, relearn(top),
                measure(top), sequential(top));
        top.done();
        return spec;
    }

    private Spec.Data data(SpecFields top) {
        SpecFields data = top.object("data");
        if (data == null) {
            if (!top.has("data")) {
                top.problem("data", "is missing: {\"bundled\": \"people\"} or {\"file\": \"records.jsonl\"}");
            }
            return new Spec.Data(null, null, null, null, null, null, DataForm.DEFAULT);
        }
        String bundled = data.text("bundled", null);
        String file = data.text("file", null);
        if ((bundled == null) == (file == null)) {
            data.problem("", "needs one of bundled and file");
        }
        SpecFields out = data.object("holdout");
        Spec.Holdout holdout = null;
        if (out != null) {
            holdout = new Spec.Holdout(out.text("file", null), out.set("subjects"), out.number("fraction", 0, 0, 0.9));
            if (holdout.fraction() > 0 == (holdout.file() != null || holdout.subjects() != null)) {
                out.problem("", "needs a fraction, or a file or subjects");
            }
            out.done();
        }
        SpecFields tofu = data.object("tofu");
        Spec.Tofu sets = null;
        if (tofu != null) {
            sets = new Spec.Tofu(or(tofu.texts("records"), List.of()), tofu.text("real_authors", null),
                    tofu.text("world_facts", null));
            tofu.done();
        }
        Spec.Data read = new Spec.Data(bundled, file, data.set("subjects"), data.set("ids"), holdout, sets, form(data));
        data.done();
        return read;
    }

    private static DataForm form(SpecFields data) {
        SpecFields own = data.object("form");
        FormSettings form = new FormSettings();
        if (own != null) {
            Settings settings = new Settings();
            form.into(settings);
            own.into(settings);
            own.done();
        }
        try {
            return form.form(DataForm.DEFAULT);
        } catch (BadInputException e) {
            own.problem("", Reason.of(e));
            return DataForm.DEFAULT;
        }
    }

    private Spec.Base base(SpecFields top) {
        SpecFields fields = top.object("base");
        if (fields == null) {
            return null;
        }
        Spec.Base base = new Spec.Base(fields.needed("data", "text, a line a record"), fields.needed("holdout", "text that is never learned"),
                fields.whole("vocabulary", 0, TokenizerTrainer.LEAST, MANY), training(fields), fields.whole("seed", 0, 0, MANY),
                fields.whole("sample", 200, 1, MANY));
        TrainConfig config = base.training().config();
        if (config.headTopK() != 0 || config.rank() != 0 || config.ledgerDtype() != Dtype.F32 || base.training().model() != null
                || !config.keepAt().isEmpty() || base.training().late() != null) {
            fields.problem("training", "has head_top_k, rank, ledger_dtype, keep_at, late or model, but a base leaves no ledger, is"
                    + " trained here and is not erased from");
        }
        fields.done();
        return base;
    }

    private Spec.Training training(SpecFields top) {
        SpecFields own = top.object("training");
        SpecFields fields = own == null ? new SpecFields(top.path + ".training", RunJson.tree("{}", "training"), problems) : own;
        TrainConfig.Builder config = TrainConfig.builder().headTopK(0).holdoutFraction(0);
        Settings settings = new Settings();
        TrainSettings.training(settings, config);
        TrainSettings.capture(settings, config);
        fields.into(settings.only("epochs", "batch", "learning_rate", "schedule", "warmup", "weight_decay", "max_norm", "head_top_k",
                "rank", "ledger_dtype", "keep_at"));
        String model = fields.text("model", null);
        String late = fields.text("late", null);
        fields.done();
        if (model != null && (fields.has("keep_at") || late != null)) {
            fields.problem("model", "was trained elsewhere, so there is nothing for keep_at and late to say");
        }
        try {
            return new Spec.Training(config.build(), model, late);
        } catch (BadInputException e) {
            fields.problem("", Reason.of(e));
            return new Spec.Training(TrainConfig.builder().build(), model, late);
        }
    }

    private Map<String, Forget> forget(SpecFields top) {
        Map<String, Forget> sets = new LinkedHashMap<>();
        top.named("forget").forEach((name, fields) -> {
            Forget set = new Forget(fields.set("subjects"), fields.set("ids"), fields.text("text", null),
                    fields.number("fuzzy", 85, 0, 100), fields.text("retrained", null));
            int ways = (set.subjects() == null ? 0 : 1) + (set.ids() == null ? 0 : 1) + (set.text() == null ? 0 : 1);
            if (ways != 1) {
                fields.problem("", "needs exactly one of subjects, ids and text");
            }
            fields.done();
            sets.put(name, set);
        });
        return sets;
    }

    private Block block(SpecFields fields) {
        SpecFields erase = fields.object("erase");
        Block block = new Block(fields.text("name", null), or(fields.texts("strategy"), List.of()), fields.texts("sites"),
                fields.texts("epochs"), fields.texts("matching"), fields.texts("calibration"), fields.texts("contrast"),
                fields.wholes("repair"), fields.texts("forget"), fields.longs("seeds"), fields.texts("heads"),
                erase == null ? Map.of() : erase.options());
        if (!fields.has("strategy")) {
            fields.problem("strategy", "is missing: one or a list of " + Cells.strategies());
        }
        fields.done();
        return block;
    }

    private static Spec.Relearn relearn(SpecFields top) {
        SpecFields fields = top.object("relearn");
        if (fields == null) {
            return new Spec.Relearn(0.25, 10, 0.1);
        }
        Spec.Relearn relearn = new Spec.Relearn(fields.number("share", 0.25, 0.01, 0.9), fields.whole("steps", 10, 1, MANY),
                fields.number("rate", 0.1, 1e-6, 1));
        fields.done();
        return relearn;
    }

    private static Spec.Measure measure(SpecFields top) {
        Set<String> metrics = top.set("metrics");
        SpecFields fields = top.object("measure");
        Set<String> all = new LinkedHashSet<>(Metrics.usual());
        Spec.Measure usual = Spec.Measure.of(or(metrics, all));
        if (fields == null) {
            return usual;
        }
        Spec.Measure measure = new Spec.Measure(usual.metrics(), fields.whole("retain_sample", usual.retainSample(), 1, MANY),
                fields.whole("answer_tokens", usual.answerTokens(), 1, 1024),
                fields.whole("tofu_sample", usual.tofuSample(), 1, MANY), fields.number("min_k", usual.minK(), 0.01, 1));
        fields.done();
        return measure;
    }

    private static Spec.Sequential sequential(SpecFields top) {
        SpecFields fields = top.object("sequential");
        if (fields == null) {
            return null;
        }
        SpecFields erase = fields.object("erase");
        if (!fields.has("requests")) {
            fields.problem("requests", "is missing: subjects or ids, to be erased one after the other");
        }
        Spec.Sequential sequential = new Spec.Sequential(or(fields.texts("requests"), List.of()),
                fields.text("strategy", EraseConfig.defaults().strategy().label()), erase == null ? Map.of() : erase.options(),
                fields.whole("fine_tune", 0, 0, MANY), fields.longs("seeds"));
        fields.done();
        return sequential;
    }

    private static <T> T or(T value, T fallback) {
        return value == null ? fallback : value;
    }

    private static String stem(Path file) {
        String name = file.getFileName().toString();
        return name.endsWith(".json") ? name.substring(0, name.length() - 5) : name;
    }
}
