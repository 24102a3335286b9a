package example;

import dev.lethe.Lethe;
import dev.lethe.Run;
import dev.lethe.data.Dataset;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.results.Erasure;
import dev.lethe.results.Evaluation;
import dev.lethe.results.Losses;
import dev.lethe.results.RecordMetric;
import dev.lethe.settings.AdoptConfig;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * What can be asked of Lethe here. Every name of a file or run is one in {@code folder} and leads nowhere else. What is wrong
 * with a request as it stands is thrown at once, what Lethe finds wrong by its task.
 */
record Tasks(Lethe lethe, Jobs jobs, Path folder) {
    /** @param model a folder of Hugging Face's, or a new one's shape such as gpt2:layers=2,hidden=64,heads=2,ctx=64 */
    record Train(String data, String model, String out, Integer epochs, Integer batch, Double learningRate, Double holdout) { }

    /** @param base of the model before its training, may be missing, as epochs, batch and learning rate of that may */
    record Adopt(String data, String model, String out, String base, Integer epochs, Integer batch, Double learningRate) { }

    /** Exactly one of ids, subject and text; {@code fuzzy} 0 to 100 finds texts that are like it. */
    record Find(String run, List<String> ids, String subject, String text, Double fuzzy) {
        Query query() {
            if (Stream.of(ids, subject, text).filter(Objects::nonNull).count() != 1 || fuzzy != null && text == null) {
                throw new Problem.Thrown(400, "say which records by one of ids, subject and text; fuzzy goes with text");
            }
            return ids != null ? Query.ids(ids) : subject != null ? Query.subject(subject)
                    : fuzzy == null ? Query.text(text) : Query.fuzzy(text, fuzzy);
        }
    }

    record Erase(String run, String out, List<String> ids, String subject, String text, Double fuzzy, String strategy) { }

    /** @param data records to measure, of one subject alone when there is one; those that the run learned when missing */
    record Evaluate(String run, String data, String subject) { }

    record Made(String run, int records, int heldOut, long steps, double loss) {
        static Made of(Run run) {
            Run.Summary made = run.summary();
            return new Made(run.path().getFileName().toString(), made.records(), made.heldOut(), made.steps(), made.loss());
        }
    }

    record Erased(String id, String run, int records, double target, Losses before, Losses after, int entriesDestroyed) {
        static Erased of(Erasure done) {
            return new Erased(done.id(), done.out().getFileName().toString(), done.records().size(), done.target(), done.before(),
                    done.after(), done.entriesDestroyed());
        }
    }

    record Measured(int records, double loss, double perplexity, double exactMemorisation, double extractionStrength) {
        static Measured of(Evaluation found) {
            return new Measured(found.records().size(), found.meanLoss(), found.perplexity(),
                    found.means().get(RecordMetric.EXACT_MEMORISATION), found.means().get(RecordMetric.EXTRACTION_STRENGTH));
        }
    }

    Jobs.View train(Train asked) {
        Path data = there(asked.data, "data");
        Path out = free(asked.out);
        ModelSource model = asked.model != null && ModelSource.isFresh(asked.model) ? ModelSource.parse(asked.model)
                : ModelSource.checkpoint(there(asked.model, "model"));
        TrainConfig.Builder config = TrainConfig.builder();
        given(asked.epochs, config::epochs);
        given(asked.batch, config::batchSize);
        given(asked.learningRate, config::learningRate);
        given(asked.holdout, config::holdoutFraction);
        return jobs.add(() -> lethe.train(model, Dataset.read(data), out, config.build()), Made::of);
    }

    /** Goes on with a training or adoption that was cancelled or killed. */
    Jobs.View resume(Evaluate asked) {
        Path run = there(asked.run, "run");
        return jobs.add(() -> lethe.resume(run), Made::of);
    }

    Jobs.View adopt(Adopt asked) {
        Path data = there(asked.data, "data");
        Path out = free(asked.out);
        ModelSource.Pretrained model = ModelSource.checkpoint(there(asked.model, "model"));
        AdoptConfig.Builder config = AdoptConfig.builder().base(asked.base == null ? null : there(asked.base, "base"));
        given(asked.epochs, config::epochs);
        given(asked.batch, config::batchSize);
        given(asked.learningRate, config::learningRate);
        return jobs.add(() -> lethe.adopt(model, Dataset.read(data), out, config.build()), Made::of);
    }

    /** Reads a run's records and no model, so that it waits for no job. */
    ForgetSet find(Find asked) {
        try (Run run = lethe.open(there(asked.run, "run"))) {
            return run.find(asked.query());
        }
    }

    Jobs.View erase(Erase asked) {
        Path from = there(asked.run, "run");
        Path out = free(asked.out);
        Query query = new Find(asked.run, asked.ids, asked.subject, asked.text, asked.fuzzy).query();
        EraseConfig config = asked.strategy == null ? EraseConfig.defaults() : EraseConfig.of(Strategy.parse(asked.strategy));
        return jobs.add(() -> lethe.erase(from, query, config, out), Erased::of);
    }

    Jobs.View evaluate(Evaluate asked) {
        Path run = there(asked.run, "run");
        if (asked.data == null) {
            return jobs.add(() -> lethe.evaluate(run), Measured::of);
        }
        Path data = there(asked.data, "data");
        return jobs.add(() -> lethe.evaluate(run, Dataset.read(data).filter(record -> asked.subject == null
                || asked.subject.equals(record.subject()))), Measured::of);
    }

    private Path there(String name, String what) {
        Path path = path(name, what);
        if (!Files.exists(path)) {
            throw new Problem.Thrown(404, what + ": there is no " + name);
        }
        try {
            return inside(path.toRealPath(), name, what); // a symbolic link may lead out
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Where a new run goes: beside the others, in none of them. */
    private Path free(String name) {
        Path path = path(name, "out");
        if (!path.getParent().equals(folder) || Files.isSymbolicLink(path)) {
            throw new Problem.Thrown(400, "out: " + name + " is not one name of a new folder in the service's");
        }
        return path;
    }

    private Path path(String name, String what) {
        if (name == null) {
            throw new Problem.Thrown(400, what + " is missing");
        }
        return inside(folder.resolve(name).normalize(), name, what);
    }

    private Path inside(Path path, String name, String what) {
        if (!path.startsWith(folder) || path.equals(folder)) {
            throw new Problem.Thrown(400, what + ": " + name + " is outside of the service's folder");
        }
        return path;
    }

    private static <T> void given(T value, Consumer<T> set) {
        if (value != null) {
            set.accept(value);
        }
    }
}
