package dev.lethe.cli;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.Dtype;
import dev.lethe.train.TinyData;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/** What {@link DeviceCommandsTest} runs; ends with a stack trace and status 1 when something differs from the CPU. */
final class DeviceCommandsChild {
    private static final double TOLERANCE = 2e-2; // of an iteration that ends within 1e-2

    private DeviceCommandsChild() { }

    public static void main(String[] arguments) {
        Path folder = Path.of(arguments[0]);
        TinyData tiny = new TinyData(folder, 4);
        Path run = folder.resolve("run");
        Path base = folder.resolve("base");
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(tiny.shape(), Dtype.F32)) {
            model.initialize(1);
            Checkpoint.save(model, ModelSettings.of(tiny.shape(), 1), base, tiny.tokenizer);
        }
        json("train", run, "--model", base, "--data", tiny.file, "--epochs", 3, "--learning-rate", 1e-2, "--sites",
                "all", "--capture",
                "all", "--holdout", 0.25, "--batch", 4, "--set", "threads=1");
        for (String method : new String[] {"dot", "tracin", "cosine", "self", "act-grad", "hvp", "cg", "ekfac",
            "ekfac-cosine"}) {
            Object[] query = method.equals("self") ? new Object[0] : new Object[] {"--ids", "person0-home"};
            Map<String, Double> cpu = scores(run, method, "cpu", query);
            Map<String, Double> device = scores(run, method, "cuda", query);
            require(cpu.keySet().equals(device.keySet()) && !cpu.isEmpty(), method + ": " + cpu + " and " + device);
            double most = cpu.values().stream().mapToDouble(Math::abs).max().orElseThrow();
            cpu.forEach((id, score) -> require(Math.abs(device.get(id) - score) <= TOLERANCE * most,
                    method + " of " + id + " is " + device.get(id) + " on the device, " + score + " on the CPU"));
        }
        for (Strategy strategy : Strategy.values()) {
            if (strategy.answers()) {
                continue; // its records are plain texts
            }
            Object[] erase = {"erase", run, "--subject", "person1", "--out", folder.resolve(strategy.label()),
                "--strategy", strategy.label(), "--device", "cuda", "--reference", 5, "--set", "ignore_guards",
                "--set", "relearn_steps=0", "--set", "keep_entries"};
            Object[] steps = switch (strategy.kind()) {
                case ASCENT -> new Object[] {"--set", "max_ascents=3", "--set", "polish=1"};
                case OBJECTIVE -> new Object[] {"--set", "learning_rate=0.01", "--set", "repair_budget=1"};
                case RETRAIN -> new Object[0];
            };
            json(Stream.concat(Arrays.stream(erase), Arrays.stream(steps)).toArray());
        }
        JsonNode proof = json("prove", folder.resolve("last-epoch"), "--reference", folder.resolve("retrain"), "--device", "cuda");
        require(proof.at("/proof/findings").size() == 6, proof.toString());
        json("eval", folder.resolve("last-epoch"), "--data", tiny.file, "--device", "cuda");
        json("adopt", folder.resolve("adopted"), "--model", run.resolve("model"), "--data", tiny.file, "--device", "cuda");
    }

    private static Map<String, Double> scores(Path run, String method, String device, Object... query) {
        Map<String, Double> scores = new TreeMap<>();
        Object[] given = {"score", run, "--method", method, "--device", device, "--top", 0, "--set", "damping=0.5",
            "--set", "curvature_records=6", "--set", "tolerance=0.01"};
        JsonNode json = json(Stream.concat(Arrays.stream(given), Arrays.stream(query)).toArray());
        json.get("records").forEach(record -> scores.put(record.get("id").asString(), record.get("score").asDouble()));
        return scores;
    }

    private static JsonNode json(Object... arguments) {
        Shell shell = Shell.run(Stream.concat(Arrays.stream(arguments), Stream.of("--json", "-")).toArray());
        require(shell.code() == 0, Arrays.toString(arguments) + ": " + shell.err());
        return shell.json();
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
