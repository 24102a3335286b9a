/*
 * The run's two logs, one line a step: metrics.jsonl with the numbers, the same for the same training, and timings.jsonl
 * with what depends on the machine. Append-only; a resume first drops the lines after its checkpoint, whatever a power cut
 * made of them.
 */
package dev.lethe.train;

import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunJson;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

record StepLog(RunFolder run, OutputStream metrics, OutputStream timings) implements AutoCloseable {
    /** {@code gradient_norm} is before clipping; {@code holdout_loss} comes with an epoch's last step. */
    private record Metric(long step, int epoch, double loss, double learningRate, double gradientNorm, int records,
                          int targets, Double holdoutLoss) { }

    /** Of {@code seconds}, with several ranks, those {@code waited} for the others' gradients and those that adding all up took. */
    private record Timing(long step, double seconds, int tokens, Double waited, Double summed) { }

    /** Opens both logs behind the lines of the first so many steps. */
    static StepLog open(RunFolder run, long steps) {
        OutputStream metrics = null;
        try {
            keep(run.metrics(), steps);
            keep(run.timings(), steps);
            metrics = PrivateFiles.append(run.metrics());
            return new StepLog(run, metrics, PrivateFiles.append(run.timings()));
        } catch (IOException e) {
            close(metrics);
            throw new UncheckedIOException(run + ": opening the training's logs: " + Reason.of(e), e);
        }
    }

    /** By their steps, for the log of a replay may begin behind its checkpoint. */
    private static void keep(Path file, long steps) throws IOException {
        StringBuilder kept = new StringBuilder();
        if (Files.exists(file)) {
            String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8); // any bytes behind the checkpoint
            Iterator<String> lines = text.lines().iterator();
            int number = 0;
            for (long last = 0; last < steps && lines.hasNext(); ) {
                String line = lines.next();
                last = RunJson.tree(line, file + ":" + ++number).path("step").asLong();
                if (last <= steps) {
                    kept.append(line).append('\n');
                }
            }
        }
        PrivateFiles.write(file, kept.toString());
    }

    /** @param apart nanoseconds waited and summed, null of one rank */
    void write(TrainStep step, long[] apart) {
        Double holdout = step.holdoutLoss().isPresent() ? step.holdoutLoss().getAsDouble() : null;
        append(metrics, new Metric(step.step(), step.epoch(), step.loss(), step.learningRate(), step.gradientNorm(),
                step.records(), step.targets(), holdout));
        append(timings, new Timing(step.step(), step.elapsedNanos() * 1e-9, step.tokens(), apart == null ? null : apart[0] * 1e-9,
                apart == null ? null : apart[1] * 1e-9));
    }

    private static void append(OutputStream log, Object line) {
        Io.disk("writing the training's log", () -> log.write((RunJson.line(line) + "\n").getBytes(StandardCharsets.UTF_8)));
    }

    void sync() {
        Io.disk("syncing the training's log", () -> {
            PrivateFiles.sync(run.metrics());
            PrivateFiles.sync(run.timings());
        });
    }

    @Override
    public void close() {
        close(metrics);
        close(timings);
    }

    private static void close(OutputStream log) {
        Io.disk("closing the training's log", () -> {
            if (log != null) {
                log.close();
            }
        });
    }

    /** The JFR event of one optimizer step. */
    @Name("dev.lethe.TrainStep")
    @Label("Training step")
    @Category({"Lethe", "Training"})
    @StackTrace(false)
    static final class TrainStepEvent extends Event {
        @Label("Step") long step;
        @Label("Epoch") int epoch;
        @Label("Records") int records;
        @Label("Tokens") int tokens;
        @Label("Loss") double loss;
        @Label("Captured") boolean captured;

        void finish(TrainStep done) {
            step = done.step();
            epoch = done.epoch();
            records = done.records();
            tokens = done.tokens();
            loss = done.loss();
            captured = done.captured();
            commit();
        }
    }
}
