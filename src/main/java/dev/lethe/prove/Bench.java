/*
 * Everything that attacks need, loaded once: the models, the records as they see them, and the margins of the oracles, which are
 * opened one after the other.
 */
package dev.lethe.prove;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.eval.Evaluator;
import dev.lethe.metric.LogitMargin;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.prove.Suspect.Role;
import dev.lethe.results.Erasure;
import dev.lethe.results.Evaluation;
import dev.lethe.run.Lineage;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.ProofRequest;
import dev.lethe.settings.Strategy.Kind;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Belongs to the thread that opened it. */
final class Bench implements AutoCloseable {
    final Material material;
    final TrainConfig training;
    /** The erased model, the original if it is there, the retrained ones. */
    final List<Suspect> suspects = new ArrayList<>();
    /** What was left out, sentences. */
    final List<String> notes = new ArrayList<>();
    /** [oracles][erased, then controls] margins of models trained without the records, and of others that unlearned them. */
    final List<double[]> retrained = new ArrayList<>();
    final List<double[]> unlearned = new ArrayList<>();
    final List<String> oracleHashes = new ArrayList<>();
    private Progress progress = (_, _) -> { };
    private final Map<String, Evaluation> evaluations = new HashMap<>();
    private final List<Example> all;
    /** Of all records that are known here. */
    final RareWords rareWords;

    /** Told how much of what runs now is done. */
    interface Progress {
        void at(int done, int total);
    }

    private Bench(Material material, TrainConfig training) {
        this.material = material;
        this.training = training;
        this.all = material.encode(Stream.concat(material.erased().stream(), material.controls().stream()).toList());
        this.rareWords = new RareWords(Stream.of(material.kept(), material.erased(), material.controls())
                .flatMap(List::stream).toList());
        if (all.contains(null)) {
            throw new BadInputException("a record to be asked for has nothing to learn within the model's context");
        }
    }

    static Bench open(Engine engine, RunFolder run, ProofRequest request) {
        Material material = Material.of(run, request);
        Bench bench = null;
        try {
            bench = new Bench(material, run.info().config());
            bench.load(engine, run, request);
            return bench;
        } catch (Throwable e) {
            if (bench == null) {
                material.close();
            } else {
                bench.close();
            }
            throw e;
        }
    }

    private void load(Engine engine, RunFolder run, ProofRequest request) {
        request.references().forEach(path -> requireStranger(run, path, true));
        request.oracles().forEach(path -> requireStranger(run, path, false));
        suspects.add(Suspect.open(engine, run.root(), "erased", Role.ERASED));
        if (!erased().hash().equals(run.info().result().modelHash())) {
            throw new DamagedDataException(run.model() + ": is not the model that the erasure wrote: SHA-256 of its parameters is "
                    + erased().hash() + ", " + RunFolder.INFO + " says " + run.info().result().modelHash());
        }
        Path parent = original(run);
        if (parent != null) {
            suspects.add(Suspect.open(engine, parent, "original", Role.ORIGINAL));
        } else {
            notes.add("The run from before the erasure is not there, or not the one that it was: that these attacks would find a"
                    + " model that knows the records is not shown.");
        }
        for (Path reference : request.references()) {
            String number = request.references().size() == 1 ? "" : " " + (references().size() + 1);
            suspects.add(Suspect.open(engine, reference, "retrained" + number, Role.RETRAINED));
        }
        if (request.references().isEmpty()) {
            notes.add("No retrained model was given: where erased records and controls differ in kind, that alone can look like a"
                    + " leak, or hide one.");
        }
        for (Path oracle : request.oracles()) {
            try (Suspect suspect = Suspect.open(engine, oracle, "oracle", Role.RETRAINED)) {
                RunFolder other = Suspect.run(oracle);
                (other != null && other.info().lineage() != null && !retrains(other) ? unlearned : retrained).add(margins(suspect));
                oracleHashes.add(suspect.hash());
            }
        }
    }

    /** Where the run from before the erasure lies, or beside this one under the same name; null where it is not there. */
    private static Path original(RunFolder run) {
        Path parent = Path.of(run.info().lineage().parent());
        return Stream.of(parent, Lineage.real(run.root()).resolveSibling(parent.getFileName()))
                .filter(path -> kin(run, path)).findFirst().orElse(null);
    }

    private static boolean kin(RunFolder run, Path path) {
        try {
            RunFolder other = RunFolder.isRun(path) ? RunFolder.openAny(path) : null;
            return other != null && other.info().result() != null && kin(run, other);
        } catch (BadInputException | DamagedDataException e) { // as Lineage: then it is not the one
            return false;
        }
    }

    private static boolean kin(RunFolder run, RunFolder other) {
        return run.info().kin().stream().anyMatch(one -> one.identity().equals(other.identity()));
    }

    /** Whether the erasure that made a run trained it anew. */
    private static boolean retrains(RunFolder made) {
        Erasure account = made.account();
        if (account == null) {
            throw new BadInputException(made + ": its account is gone, so nobody can tell by what erasure it was made");
        }
        return account.config().strategy().kind() == Kind.RETRAIN;
    }

    /** A model beside must read as this one does, and must not have learned what was erased. */
    private void requireStranger(RunFolder run, Path path, boolean reference) {
        Path folder = Suspect.folder(path);
        List<String> texts = material.erased().stream().map(TextRecord::text).toList();
        try (Tokenizer other = Tokenizer.of(folder)) {
            boolean same = other.endOfText() == material.tokenizer().endOfText()
                    && texts.stream().allMatch(text -> Arrays.equals(other.encode(text), material.tokenizer().encode(text)));
            if (!same) {
                throw new BadInputException(path + ": reads the records by another tokenizer than the run; a model beside it must"
                        + " have the same");
            }
        }
        if (Checkpoint.config(folder).shape().context() < material.context()) {
            throw new BadInputException(path + ": reads fewer tokens at once than the run; a model beside it must read as many");
        }
        RunFolder other = Suspect.run(path);
        if (other != null) {
            requireWithout(run, other, path, reference);
        }
    }

    /** An erasure's account says what its model never learned: rows may have left a run that had learned them. */
    private void requireWithout(RunFolder run, RunFolder other, Path path, boolean reference) {
        if (other.identity().equals(run.identity())) {
            throw new BadInputException(path + ": is the run that is to be proven; name another beside it");
        }
        boolean made = other.info().lineage() != null;
        boolean kin = kin(run, other);
        Set<String> hashes = material.taken().stream().map(TextRecord::hash).collect(Collectors.toSet());
        if (kin && !made || other.records().stream().anyMatch(one -> hashes.contains(one.sha256()))) {
            throw new BadInputException(path + ": learned or held out some of the erased records; a model beside must have been"
                    + " trained without them");
        }
        if (made && (kin || reference) && !retrains(other)) {
            throw new BadInputException(path + ": was made by an erasure that changed a model; a model beside must have been trained"
                    + " without the erased records, by a training or by an erasure that retrains or replays");
        }
        Set<String> ids = material.taken().stream().map(TextRecord::id).collect(Collectors.toSet());
        if (kin && !other.erasedAmong(ids).containsAll(ids)) {
            throw new BadInputException(path + ": comes from the same training as the run, and its account does not name all of the"
                    + " erased records; a model beside must have been trained without them");
        }
    }

    void tell(Progress progress) {
        this.progress = progress;
    }

    void progress(int done, int total) {
        progress.at(done, total);
    }

    Suspect erased() {
        return suspects.getFirst();
    }

    /** The retrained ones. */
    List<Suspect> references() {
        return suspects.stream().filter(suspect -> suspect.role() == Role.RETRAINED).toList();
    }

    List<Example> erasedExamples() {
        return all.subList(0, material.erased().size());
    }

    List<Example> controlExamples() {
        return all.subList(material.erased().size(), all.size());
    }

    /** What a model makes of the erased records, then of the controls; asked once. */
    Evaluation evaluation(Suspect suspect) {
        return evaluations.computeIfAbsent(suspect.name(), _ -> new Evaluator().evaluate(suspect.model(), all,
                example -> material.decode(example.saidTokens(material.tokenizer().endOfText()))));
    }

    double[] margins(Suspect suspect) {
        return LogitMargin.of(new Evaluator().losses(suspect.model(), all));
    }

    /** Values of the erased records. */
    double[] ofErased(double[] values) {
        return Arrays.copyOf(values, material.erased().size());
    }

    double[] ofControls(double[] values) {
        return Arrays.copyOfRange(values, material.erased().size(), values.length);
    }

    /** Mean token loss of each; NaN where there is no example. */
    static double[] losses(Suspect suspect, List<Example> examples) {
        List<Example> there = examples.stream().filter(example -> example != null).toList();
        double[] some = new Evaluator().losses(suspect.model(), there);
        double[] losses = new double[examples.size()];
        int next = 0;
        for (int i = 0; i < losses.length; i++) {
            losses[i] = examples.get(i) == null ? Double.NaN : some[next++];
        }
        return losses;
    }

    @Override
    public void close() {
        suspects.forEach(Suspect::close);
        material.close();
    }
}
