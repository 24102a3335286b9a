package dev.lethe.spec;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import dev.lethe.base.Settings;
import dev.lethe.data.DataForm;
import dev.lethe.run.RunJson;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.spec.Spec.Block;
import dev.lethe.spec.Spec.DataFiles;
import dev.lethe.spec.Spec.Forget;
import dev.lethe.spec.Spec.Metrics;
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
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/** Reads and checks a spec. Everything that is wrong with it is told at once, each problem with its JSON path. */
public final class SpecReader {
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
        SpecSchema.check(tree, reader.problems);
        Spec spec = reader.spec(file, tree);
        SpecCheck.check(spec, files, reader.problems);
        if (!reader.problems.isEmpty()) {
            List<String> distinct = List.copyOf(new LinkedHashSet<>(reader.problems));
            throw new BadInputException(file + ": " + distinct.size() + (distinct.size() == 1 ? " problem\n  " : " problems\n  ")
                    + String.join("\n  ", distinct));
        }
        return spec;
    }

    private Spec spec(Path file, JsonNode top) {
        String model = text(top, "model");
        Spec.Base base = top.has("base") ? base(top.get("base")) : null;
        if (base != null && base.vocabulary() > 0 && model != null && ModelSource.isFresh(model) && !model.contains("vocab=")) {
            model += (model.contains(":") ? "," : ":") + "vocab=" + base.vocabulary();
        }
        Map<String, Forget> forget = new LinkedHashMap<>();
        top.path("forget").forEachEntry((name, set) -> forget.put(name, forget(set)));
        JsonNode relearn = top.path("relearn");
        return new Spec(top.path("name").asString(stem(file)), file, data(top.path("data")), model,
                text(top, "tokenizer"), base, training("$.training", top.path("training")),
                or(longs(top, "seeds"), List.of(0L)),
                or(texts(top, "heads"), List.of("tied")), forget,
                top.path("cells").valueStream().map(SpecReader::block).toList(),
                top.path("oracles").asInt(0), new Spec.Relearn(relearn.path("share").asDouble(0.25),
                        relearn.path("steps").asInt(10), relearn.path("rate").asDouble(0.1)), measure(top),
                top.has("sequential") ? sequential(top.get("sequential")) : null);
    }

    private Spec.Data data(JsonNode data) {
        Spec.Holdout holdout = null;
        if (data.has("holdout")) {
            JsonNode out = data.get("holdout");
            holdout = new Spec.Holdout(text(out, "file"), set(out, "subjects"), out.path("fraction").asDouble(0));
            if (holdout.fraction() > 0 == (holdout.file() != null || holdout.subjects() != null)) {
                problems.add("$.data.holdout: needs a fraction, or a file or subjects");
            }
        }
        JsonNode tofu = data.path("tofu");
        Spec.Tofu sets = tofu.isMissingNode() ? null : new Spec.Tofu(or(texts(tofu, "records"), List.of()),
                text(tofu, "real_authors"), text(tofu, "world_facts"));
        return new Spec.Data(text(data, "bundled"), text(data, "file"), set(data, "subjects"), set(data, "ids"), holdout,
                sets, form(data.path("form")));
    }

    private DataForm form(JsonNode form) {
        FormSettings settings = new FormSettings();
        Settings named = new Settings();
        settings.into(named);
        into(named, "$.data.form", form);
        try {
            return settings.form(DataForm.DEFAULT);
        } catch (BadInputException e) {
            problems.add("$.data.form: " + Reason.of(e));
            return DataForm.DEFAULT;
        }
    }

    private Spec.Base base(JsonNode base) {
        return new Spec.Base(text(base, "data"), text(base, "holdout"), base.path("vocabulary").asInt(0),
                training("$.base.training", base.path("training")), base.path("seed").asInt(0),
                base.path("sample").asInt(200));
    }

    private Spec.Training training(String path, JsonNode training) {
        TrainConfig.Builder config = TrainConfig.builder().headTopK(0).holdoutFraction(0);
        Settings settings = new Settings();
        TrainSettings.training(settings, config);
        TrainSettings.capture(settings, config);
        String model = text(training, "model");
        String late = text(training, "late");
        into(settings.only("epochs", "batch", "learning_rate", "schedule", "warmup", "weight_decay", "max_norm",
                "head_top_k", "rank", "ledger_dtype", "keep_at"), path, training);
        if (model != null && (training.has("keep_at") || late != null)) {
            problems.add(path + ".model: was trained elsewhere, so there is nothing for keep_at and late to say");
        }
        try {
            return new Spec.Training(config.build(), model, late);
        } catch (BadInputException e) {
            problems.add(path + ": " + Reason.of(e));
            return new Spec.Training(TrainConfig.builder().build(), model, late);
        }
    }

    /** Sets what the settings know by its name; an object's entries as NAME.ENTRY, a list with commas. */
    private void into(Settings settings, String path, JsonNode values) {
        values.forEachEntry((key, value) -> {
            Map<String, String> named = new LinkedHashMap<>();
            if (value.isObject()) {
                value.forEachEntry((name, one) -> named.put(key + "." + name, one.asString()));
            } else if (settings.find(key) != null) {
                named.put(key, value.isArray() ? String.join(",", texts(values, key)) : value.asString());
            }
            List<String> wrong = new ArrayList<>();
            settings.set(named, wrong);
            wrong.forEach(problem -> problems.add(path + "." + key + ": " + problem));
        });
    }

    private static Forget forget(JsonNode set) {
        return new Forget(set(set, "subjects"), set(set, "ids"), text(set, "text"), set.path("fuzzy").asDouble(85),
                text(set, "retrained"));
    }

    private static Block block(JsonNode block) {
        List<Long> repair = longs(block, "repair");
        return new Block(text(block, "name"), or(texts(block, "strategy"), List.of()), texts(block, "sites"),
                texts(block, "epochs"), texts(block, "matching"), texts(block, "calibration"), texts(block, "contrast"),
                repair == null ? null : repair.stream().map(Long::intValue).toList(), texts(block, "forget"),
                longs(block, "seeds"), texts(block, "heads"), options(block));
    }

    private static Spec.Measure measure(JsonNode top) {
        Spec.Measure usual = Spec.Measure.of(or(set(top, "metrics"), new LinkedHashSet<>(Metrics.usual())));
        JsonNode own = top.path("measure");
        return new Spec.Measure(usual.metrics(), own.path("retain_sample").asInt(usual.retainSample()),
                own.path("answer_tokens").asInt(usual.answerTokens()),
                own.path("tofu_sample").asInt(usual.tofuSample()), own.path("min_k").asDouble(usual.minK()));
    }

    private static Spec.Sequential sequential(JsonNode sequential) {
        return new Spec.Sequential(or(texts(sequential, "requests"), List.of()),
                sequential.path("strategy").asString(EraseConfig.defaults().strategy().label()), options(sequential),
                sequential.path("fine_tune").asInt(0), longs(sequential, "seeds"));
    }

    /** What {@code erase} says: numbers, strings and lists of numbers by name, read by {@link Cells#config}. */
    private static Map<String, Object> options(JsonNode owner) {
        Map<String, Object> options = new LinkedHashMap<>();
        owner.path("erase").forEachEntry((name, value) -> options.put(name, value.isArray()
                ? items(value).map(SpecReader::option).toList() : option(value)));
        return options;
    }

    private static Object option(JsonNode value) {
        return value.isString() ? value.asString()
                : value.isIntegralNumber() ? (Object) value.asLong() : (Object) value.asDouble();
    }

    private static String text(JsonNode owner, String key) {
        return owner.path(key).asString(null);
    }

    /** One value or a list of them, each once, without what was wrong; null when absent. */
    private static List<String> texts(JsonNode owner, String key) {
        return owner.has(key) ? items(owner.get(key)).map(JsonNode::asString).distinct().toList() : null;
    }

    private static List<Long> longs(JsonNode owner, String key) {
        return owner.has(key) ? items(owner.get(key)).map(JsonNode::asLong).distinct().toList() : null;
    }

    private static Set<String> set(JsonNode owner, String key) {
        return owner.has(key) ? new LinkedHashSet<>(texts(owner, key)) : null;
    }

    private static Stream<JsonNode> items(JsonNode value) {
        return value.isArray() ? value.valueStream().filter(item -> !item.isNull()) : Stream.of(value);
    }

    private static <T> T or(T value, T fallback) {
        return value == null ? fallback : value;
    }

    private static String stem(Path file) {
        String name = file.getFileName().toString();
        return name.endsWith(".json") ? name.substring(0, name.length() - 5) : name;
    }
}
