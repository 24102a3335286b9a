package example;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.lethe.Lethe;
import dev.lethe.find.ForgetSet;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * Lethe behind HTTP: {@code java -jar service.jar FOLDER [PORT [JOBS-AT-ONCE]]}. POST /train, /resume, /adopt, /erase and /eval
 * make jobs, POST /find answers at once; GET /jobs, GET and DELETE /jobs/ID, GET /health and /metrics. Listens to this machine
 * alone, refuses what a page in a browser sends, and knows no users: what lets others in belongs in front of it.
 */
public final class Service implements AutoCloseable {
    private static final int LARGEST_REQUEST = 1 << 20;
    private static final int FINDS_AT_ONCE = 2; // each holds a run's records
    private static final Set<String> POSTS = Set.of("train", "resume", "adopt", "find", "erase", "eval");
    private static final Set<String> GETS = Set.of("health", "metrics", "jobs");
    private static final JsonMapper JSON = JsonMapper.builder(
                    JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build())
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    private final Metrics metrics = new Metrics();
    private final Jobs jobs = new Jobs();
    private final ExecutorService workers; // one queue, first come, first served: a job fills every core by itself
    private final Lethe lethe;
    private final Tasks tasks;
    private final Semaphore finds = new Semaphore(FINDS_AT_ONCE);
    private final HttpServer server;

    /** @param port 0 for any that is free */
    Service(Path folder, int port, int atOnce) throws IOException {
        int cores = Runtime.getRuntime().availableProcessors();
        workers = Executors.newFixedThreadPool(atOnce, Thread.ofVirtual().name("job-", 1).factory());
        lethe = Lethe.builder().threads(Math.max(1, cores / atOnce)).executor(workers).listener(metrics::told).build();
        tasks = new Tasks(lethe, jobs, folder.toRealPath());
        server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/", this::answer);
    }

    /** Runs until it is told to end (SIGTERM); trainings that were under way can then be resumed. */
    public static void main(String[] arguments) throws IOException {
        Service service = new Service(Path.of(arguments[0]), arguments.length > 1 ? Integer.parseInt(arguments[1]) : 8080,
                arguments.length > 2 ? Integer.parseInt(arguments[2]) : 1);
        Runtime.getRuntime().addShutdownHook(new Thread(service::close));
        service.server.start();
        System.out.println("http://127.0.0.1:" + service.server.getAddress().getPort());
    }

    @Override
    public void close() {
        server.stop(1);
        lethe.close();
        workers.close();
    }

    private record Answer(int status, String type, String body) {
        static Answer json(int status, Object body) {
            return new Answer(status, "application/json", JSON.writeValueAsString(body));
        }
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            Answer answer;
            try {
                answer = route(exchange);
            } catch (Exception e) {
                Problem problem = Problem.of(e);
                answer = new Answer(problem.status(), "application/problem+json", JSON.writeValueAsString(problem));
                if (problem.status() == 503) {
                    exchange.getResponseHeaders().set("Retry-After", "1");
                }
            }
            byte[] body = answer.body.getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", answer.type);
            exchange.sendResponseHeaders(answer.status, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    private Answer route(HttpExchange exchange) throws IOException {
        if (exchange.getRequestHeaders().containsKey("Origin")) { // a browser's, sent for a page of somebody's
            throw new Problem.Thrown(403, "requests of web pages are refused");
        }
        String[] path = exchange.getRequestURI().getPath().substring(1).split("/", -1);
        String asked = exchange.getRequestMethod() + " " + path[0] + (path.length == 1 ? "" : path.length == 2 ? "/ID" : "/...");
        return switch (asked) {
            case "GET health" -> Answer.json(200, Map.of("status", "up"));
            case "GET metrics" -> new Answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics.text(jobs));
            case "GET jobs" -> Answer.json(200, jobs.all());
            case "GET jobs/ID" -> Answer.json(200, jobs.view(path[1]));
            case "DELETE jobs/ID" -> Answer.json(202, jobs.cancel(path[1]));
            case "POST find" -> Answer.json(200, find(read(exchange, Tasks.Find.class)));
            case "POST train" -> queued(exchange, tasks.train(read(exchange, Tasks.Train.class)));
            case "POST resume" -> queued(exchange, tasks.resume(read(exchange, Tasks.Evaluate.class)));
            case "POST adopt" -> queued(exchange, tasks.adopt(read(exchange, Tasks.Adopt.class)));
            case "POST erase" -> queued(exchange, tasks.erase(read(exchange, Tasks.Erase.class)));
            case "POST eval" -> queued(exchange, tasks.evaluate(read(exchange, Tasks.Evaluate.class)));
            default -> throw new Problem.Thrown(path.length < 3 && (POSTS.contains(path[0]) || GETS.contains(path[0])) ? 405 : 404,
                    "there is no " + exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath());
        };
    }

    private ForgetSet find(Tasks.Find asked) {
        if (!finds.tryAcquire()) {
            throw new Problem.Thrown(503, FINDS_AT_ONCE + " searches are under way already; come again later");
        }
        try {
            return tasks.find(asked);
        } finally {
            finds.release();
        }
    }

    private static Answer queued(HttpExchange exchange, Jobs.View job) {
        exchange.getResponseHeaders().set("Location", "/jobs/" + job.id());
        return Answer.json(202, job);
    }

    private static <T> T read(HttpExchange exchange, Class<T> type) throws IOException {
        String kind = exchange.getRequestHeaders().getFirst("Content-Type");
        // What a form or a page can send without the browser's asking first is refused.
        if (kind == null || !kind.split(";", 2)[0].strip().equalsIgnoreCase("application/json")) {
            throw new Problem.Thrown(415, "a request has Content-Type: application/json");
        }
        byte[] body = exchange.getRequestBody().readNBytes(LARGEST_REQUEST + 1);
        if (body.length > LARGEST_REQUEST) {
            throw new Problem.Thrown(413, "a request has at most " + LARGEST_REQUEST + " bytes");
        }
        T request = JSON.readValue(body, type);
        if (request == null) {
            throw new Problem.Thrown(400, "the request is null");
        }
        return request;
    }
}
