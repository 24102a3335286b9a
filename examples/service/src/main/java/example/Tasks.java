package example;

import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.erase.Run;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.results.Erasure;
import dev.lethe.results.Evaluation;
import dev.lethe.results.Losses;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig;
import dev.lethe.train.Adopter;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * What can be asked of Lethe here. Every name of a file or run is one in {@code folder} and leads nowhere else. What is wrong
 * with a request as it stands is thrown at once, what Lethe finds wrong by its task.
 */
record Tasks(Engine engine, Path folder, Metrics metrics) {
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

    /** @param data records to measure, those that the run learned when missing; of one subject alone when there is one */
    record Evaluate(String run, String data, String subject) { }

    record Made(String run, int records, int heldOut, long steps, double loss) {
        static Made of(RunFolder run) {
            RunInfo info = run.info();
            return new Made(run.root().getFileName().toString(), info.data().records(), info.data().holdout(),
                    info.result().steps(), info.result().finalLoss());
        }
    }

    record Erased(String id, String run, int records, double target, Losses before, Losses after, int entriesDestroyed) { }

    record Measured(int records, double loss, double perplexity, double exactMemorisation, double extractionStrength) { }

    Jobs.Task train(Train asked) {
        Path data = there(asked.data, "data");
        Path out = free(asked.out);
        ModelSource model = asked.model != null && ModelSource.isFresh(asked.model) ? ModelSource.parse(asked.model)
                : ModelSource.checkpoint(there(asked.model, "model"));
        TrainConfig.Builder config = TrainConfig.builder();
        given(asked.epochs, config::epochs);
        given(asked.batch, config::batchSize);
        given(asked.learningRate, config::learningRate);
        given(asked.holdout, config::holdoutFraction);
        TrainConfig checked = config.build();
        return progress -> Made.of(Trainer.train(engine, model, Dataset.read(data), out, checked, listener(progress)));
    }

    /** Goes on with a training or adoption that was cancelled or killed. */
    Jobs.Task resume(Evaluate asked) {
        Path run = there(asked.run, "run");
        return progress -> Made.of(Trainer.resume(engine, run, listener(progress)));
    }

    Jobs.Task adopt(Adopt asked) {
        Path data = there(asked.data, "data");
        Path out = free(asked.out);
        ModelSource.Pretrained model = ModelSource.checkpoint(there(asked.model, "model"));
        Path base = asked.base == null ? null : there(asked.base, "base");
        TrainConfig.Builder config = TrainConfig.builder().epochs(Optional.ofNullable(asked.epochs).orElse(3));
        given(asked.batch, config::batchSize);
        given(asked.learningRate, config::learningRate);
        TrainConfig checked = config.build();
        var known = new Adopter.Asked(base, asked.learningRate == null, asked.epochs == null, false);
        return progress -> Made.of(Adopter.adopt(engine, model, Dataset.read(data), out, checked, known, listener(progress)));
    }

    /** Reads a run's records and no model, so that it waits for no job. */
    ForgetSet find(Find asked) {
        try (Run run = Run.open(engine, there(asked.run, "run"))) {
            return run.find(asked.query());
        }
    }

    Jobs.Task erase(Erase asked) {
        Path from = there(asked.run, "run");
        Path out = free(asked.out);
        Query query = new Find(asked.run, asked.ids, asked.subject, asked.text, asked.fuzzy).query();
        EraseConfig config = asked.strategy == null ? EraseConfig.defaults() : EraseConfig.of(Strategy.parse(asked.strategy));
        return progress -> {
            try (Run run = Run.open(engine, from)) {
                Erasure erasure = run.erase(run.find(query), config, out, eraseListener(progress));
                metrics.add("lethe_records_erased_total", erasure.records().size());
                return new Erased(erasure.id(), asked.out, erasure.records().size(), erasure.target(), erasure.before(),
                        erasure.after(), erasure.entriesDestroyed());
            }
        };
    }

    Jobs.Task evaluate(Evaluate asked) {
        Path of = there(asked.run, "run");
        Path data = asked.data == null ? null : there(asked.data, "data");
        return progress -> {
            try (Run run = Run.open(engine, of)) {
                List<TextRecord> all = data == null ? run.records() : Dataset.read(data).records();
                List<TextRecord> records = all.stream().filter(record -> asked.subject == null || asked.subject.equals(record.subject()))
                        .toList();
                Evaluation found = run.evaluate(records,
                        done -> progress.accept(new Jobs.Progress("evaluating", done, records.size(), "")));
                return new Measured(records.size(), found.meanLoss(), found.perplexity(), found.exactMemorisation(),
                        found.extractionStrength());
            }
        };
    }

    private static TrainListener listener(Consumer<Jobs.Progress> progress) {
        return new TrainListener() {
            @Override
            public void stage(String name) {
                progress.accept(new Jobs.Progress(name, 0, 0, ""));
            }

            @Override
            public void step(TrainStep step) {
                progress.accept(new Jobs.Progress("training", step.step(), step.steps(),
                        String.format(Locale.ROOT, "loss %.3f", step.loss())));
            }
        };
    }

    private static EraseListener eraseListener(Consumer<Jobs.Progress> progress) {
        return new EraseListener() {
            @Override
            public void stage(String name) {
                progress.accept(new Jobs.Progress(name, 0, 0, ""));
            }

            @Override
            public void step(EraseStep step, double target) {
                progress.accept(new Jobs.Progress(step.phase().name().toLowerCase(Locale.ROOT), step.index(), 0,
                        String.format(Locale.ROOT, "forget loss %.3f, to reach %.3f", step.forget(), target)));
            }
        };
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
