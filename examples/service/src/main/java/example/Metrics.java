package example;

import dev.lethe.Job;
import dev.lethe.results.Erasure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.DoubleAdder;

/** Counters, as Prometheus reads them (text format 0.0.4). Any thread. */
final class Metrics {
    private static final String FAMILIES = """
            lethe_jobs gauge Jobs that wait or run
            lethe_jobs_ended_total counter Jobs that ended
            lethe_job_seconds summary Seconds from a job's start to its end
            lethe_records_erased_total counter Records erased
            process_resident_memory_bytes gauge Memory of the process
            """;

    private final Map<String, DoubleAdder> samples = new ConcurrentSkipListMap<>();

    Metrics() {
        add("lethe_records_erased_total", 0);
    }

    /** @param sample a family's name, with labels where it has some */
    void add(String sample, double value) {
        samples.computeIfAbsent(sample, _ -> new DoubleAdder()).add(value);
    }

    /** Listens to Lethe's jobs. */
    void told(Job<?> job) {
        if (!job.state().ended()) {
            return;
        }
        add("lethe_jobs_ended_total{kind=\"%s\",state=\"%s\"}".formatted(job.kind(), Jobs.label(job)), 1);
        add("lethe_job_seconds_count{kind=\"%s\"}".formatted(job.kind()), 1);
        add("lethe_job_seconds_sum{kind=\"%s\"}".formatted(job.kind()), job.elapsed().toNanos() / 1e9);
        if (job.state() == Job.State.DONE && job.future().join() instanceof Erasure erasure) {
            add("lethe_records_erased_total", erasure.records().size());
        }
    }

    String text(Jobs jobs) throws IOException {
        Map<String, Double> all = new ConcurrentHashMap<>();
        samples.forEach((sample, value) -> all.put(sample, value.sum()));
        jobs.all().stream().filter(job -> Set.of("queued", "running").contains(job.state())).forEach(job -> all.merge(
                "lethe_jobs{kind=\"%s\",state=\"%s\"}".formatted(job.kind(), job.state()), 1.0, Double::sum));
        all.put("process_resident_memory_bytes", residentBytes());
        StringBuilder text = new StringBuilder();
        for (String family : FAMILIES.lines().toList()) {
            String[] parts = family.split(" ", 3);
            text.append("# HELP ").append(parts[0]).append(' ').append(parts[2]).append("\n# TYPE ").append(parts[0]).append(' ')
                    .append(parts[1]).append('\n');
            all.entrySet().stream().filter(sample -> sample.getKey().matches(parts[0] + "(_sum|_count)?(\\{.*)?"))
                    .sorted(Map.Entry.comparingByKey())
                    .forEach(sample -> text.append(String.format(Locale.ROOT, "%s %s%n", sample.getKey(), sample.getValue())));
        }
        return text.toString();
    }

    private static double residentBytes() throws IOException {
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            return lines.filter(line -> line.startsWith("VmRSS:"))
                    .mapToDouble(line -> 1024 * Double.parseDouble(line.replaceAll("[^0-9]", ""))).findFirst().orElse(Double.NaN);
        }
    }
}
