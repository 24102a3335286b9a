/*
 * Lethe's side of bench/compare: one JSON request a line on stdin, one JSON reply a line on stdout, as
 * bench/python/worker.py describes them; "init" (a fresh model folder) and "encode" (data files into examples) are its own.
 */
package dev.lethe.bench;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.settings.ModelSource;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Arguments: device, threads, and optionally what F32 models compute in (F32, BF16). Ends with its input. */
public final class CompareWorker {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final Engine engine;
    private final Map<String, Case> cases = new HashMap<>();

    private CompareWorker(Engine engine) {
        this.engine = engine;
    }

    public static void main(String[] arguments) throws IOException {
        PrintStream replies = System.out;
        System.setOut(System.err);
        Dtype compute = arguments.length > 2 ? Dtype.valueOf(arguments[2]) : Dtype.F32;
        try (Engine engine = Engine.open(Device.parse(arguments[0]), compute, Integer.parseInt(arguments[1]))) {
            CompareWorker worker = new CompareWorker(engine);
            var requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line = requests.readLine(); line != null; line = requests.readLine()) {
                replies.println(JSON.writeValueAsString(worker.reply(JSON.readTree(line))));
                replies.flush();
            }
        }
    }

    private Map<String, Object> reply(JsonNode request) {
        try {
            String what = request.get("do").asString();
            return switch (what) {
                case "hello" -> hello();
                case "init" -> init(request);
                case "encode" -> encode(request);
                case "memory" -> ProcessMemory.measure(request.path("reset").asBoolean(false));
                case "open" -> open(request);
                case "result" -> result(request);
                case "run" -> run(chosen(request));
                case "before" -> before(chosen(request));
                case "stored" -> Map.of("bytes", chosen(request).stored());
                case "close" -> close(request);
                default -> Map.of();
            };
        } catch (RuntimeException e) {
            e.printStackTrace();
            return Map.of("problem", e.toString());
        }
    }

    private Case chosen(JsonNode request) {
        return cases.get(request.get("case").asString());
    }

    private Map<String, Object> hello() {
        Engine.BuildInfo build = Engine.buildInfo();
        return Map.of("torch", build.torchVersion(), "java", Runtime.version().toString(), "threads", build.threads(),
                "device", engine.device().toString());
    }

    private Map<String, Object> init(JsonNode request) {
        ModelShape shape = ((ModelSource.Fresh) ModelSource.parse(request.get("shape").asString())).shape();
        try (LanguageModel model = engine.model(shape, Dtype.F32)) {
            model.initialize(request.path("seed").asLong(0));
            Checkpoint.save(model, ModelSettings.of(shape), Path.of(request.get("model").asString()), null);
            return Map.of("parameters", model.parameters());
        }
    }

    private static Map<String, Object> encode(JsonNode request) {
        Examples.encode(request, Path.of(request.get("out").asString()));
        return Map.of();
    }

    private Map<String, Object> open(JsonNode request) {
        Case.Setup setup = new Case.Setup(engine, request.get("variant").asString(),
                Path.of(request.get("model").asString()), Path.of(request.get("examples").asString()),
                Path.of(request.get("work").asString()), request.path("args"));
        String operation = request.get("op").asString();
        Case opened = switch (operation) {
            case "train" -> new TrainCase(setup);
            case "records" -> new RecordsCase(setup);
            case "epoch" -> new EpochCase(setup);
            case "ascent" -> new AscentCase(setup);
            case "influence" -> new InfluenceCase(setup);
            case "curvature" -> new CurvatureCase(setup);
            case "pipeline" -> new PipelineCase(setup);
            default -> throw new IllegalArgumentException("no operation " + operation);
        };
        cases.put(request.get("case").asString(), opened);
        return Map.of("files", opened.files().stream().map(Path::toString).toList());
    }

    private Map<String, Object> result(JsonNode request) {
        try (Results results = new Results(Path.of(request.get("out").asString()))) {
            chosen(request).result(results);
            return Map.of("tensors", results.tensors());
        }
    }

    private static Map<String, Object> before(Case chosen) {
        chosen.before();
        return Map.of();
    }

    private static Map<String, Object> run(Case chosen) {
        long start = System.nanoTime();
        Map<String, Long> parts = chosen.run();
        return Map.of("nanos", System.nanoTime() - start, "parts", parts);
    }

    private Map<String, Object> close(JsonNode request) {
        cases.remove(request.get("case").asString()).close();
        return Map.of();
    }
}
