package dev.lethe.report;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.Reason;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.eval.Continuations;
import dev.lethe.eval.Continuations.Continuation;
import dev.lethe.eval.Evaluator;
import dev.lethe.metric.Auc;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.proof.CertificateSummary;
import dev.lethe.report.ErasureSummary.Measured;
import dev.lethe.report.ReportData.Fact;
import dev.lethe.report.ReportData.Group;
import dev.lethe.report.ReportData.Line;
import dev.lethe.report.ReportData.Sample;
import dev.lethe.report.ReportData.Scores;
import dev.lethe.results.Erasure;
import dev.lethe.results.Evaluation;
import dev.lethe.results.RecordMetric;
import dev.lethe.run.IdKey;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Encoder;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * Gathers a report on a run: what its logs say, and what its model, the model before the erasure and a retrained one
 * make of the records. Groups above 300 records are sampled evenly, and the report says so.
 */
public final class RunReport {
    private static final int MOST_RECORDS = 300;
    private static final String FORGET = "forget";

    /** Whose text a report shows, and whose continuations: nobody's, that of records that are kept, that of erased ones too. */
    public enum Text { NONE, KEPT, ERASED_TOO }

    private final Engine engine;
    private final RunFolder run;
    private final Erasure account; // null without an erasure
    private final RunFolder source; // null without an erasure, or when it is gone
    private final List<String> notes = new ArrayList<>();

    private RunReport(Engine engine, RunFolder run) {
        this.engine = engine;
        this.run = run;
        this.account = run.account();
        this.source = account == null ? null : source(Path.of(run.info().lineage().parent()));
    }

    /**
     * Reports on a run.
     *
     * @param run a complete run
     * @param retrained a run or model folder that never saw the erased records, or null
     * @param shown whose text it quotes
     */
    public static ReportData of(Engine engine, Path run, Path retrained, Text shown) {
        return new RunReport(engine, RunFolder.open(run)).gather(retrained, shown);
    }

    private ReportData gather(Path retrained, Text shown) {
        List<String> columns = new ArrayList<>();
        List<Path> models = new ArrayList<>();
        if (source != null) {
            columns.add("before");
            models.add(source.model());
        }
        columns.add(account == null ? "trained" : "after");
        models.add(run.model());
        if (retrained != null) {
            columns.add("retrained");
            models.add(RunFolder.isRun(retrained) ? RunFolder.open(retrained).model() : retrained);
        }
        List<String> names = new ArrayList<>();
        List<List<TextRecord>> groups = new ArrayList<>();
        groups(names, groups);
        List<Answers> witnesses = models.stream().map(model -> Answers.of(engine, model, groups)).toList();
        unread(names, witnesses.getFirst());
        List<Group> table = IntStream.range(0, names.size()).mapToObj(g -> new Group(names.get(g), groups.get(g).size(),
                witnesses.stream().map(witness -> witness.scores(g)).toList())).toList();
        return new ReportData(title(), summary(columns, names, witnesses), facts(names, witnesses), columns, table,
                lines(names, groups, witnesses, shown), RunLogs.training(source == null ? run : source), RunLogs.erasure(run),
                account == null ? Double.NaN : account.target(),
                account == null ? List.of() : RunLogs.influence(account.influence()), samples(names, witnesses, shown), notes);
    }

    private ErasureSummary summary(List<String> columns, List<String> names, List<Answers> witnesses) {
        if (account == null) {
            return ErasureSummary.ofTraining(run.info().data().records(), run.info().kin().stream()
                    .filter(kin -> kin.state() == RunInfo.Kin.State.MADE).count());
        }
        return ErasureSummary.of(account, CertificateSummary.of(run.root(), account), RunLogs.attacks(run),
                membership(columns, names, witnesses));
    }

    /** Null without records of both sides. */
    private Measured membership(List<String> columns, List<String> names, List<Answers> witnesses) {
        List<String> cells = apart(names, witnesses);
        int after = columns.indexOf("after");
        return cells.isEmpty() || !names.getFirst().equals(FORGET) ? null : new Measured(ErasureSummary.MEMBERSHIP,
                after > 0 ? cells.getFirst() : "–", cells.get(after), after < cells.size() - 1 ? cells.getLast() + " retrained"
                : "0.50 if alike");
    }

    /** Membership AUC of the first group beside the held-out records by loss under each model; empty without these. */
    private static List<String> apart(List<String> names, List<Answers> witnesses) {
        return names.size() < 2 || !names.getLast().equals("held-out") ? List.of() : witnesses.stream().map(witness -> {
            Evaluation known = witness.evaluations().getFirst();
            Evaluation unseen = witness.evaluations().getLast();
            double auc = known.auc(RecordMetric.LOSS, unseen);
            double[] interval = Auc.interval(auc, known.records().size(), unseen.records().size());
            return String.format(Locale.ROOT, "%.2f [%.2f, %.2f]", auc, interval[0], interval[1]);
        }).toList();
    }

    private List<Line> lines(List<String> names, List<List<TextRecord>> groups, List<Answers> witnesses, Text shown) {
        List<Line> lines = new ArrayList<>();
        IdKey key = key();
        for (int g = 0; g < names.size(); g++) {
            for (int i = 0; i < groups.get(g).size(); i++) {
                int group = g;
                int index = i;
                lines.add(new Line(name(groups.get(g).get(i).id(), names.get(g), i, shown, key), names.get(g),
                        witnesses.stream().map(one -> one.evaluations().get(group).records().get(index).loss()).toList(),
                        witnesses.stream().map(one -> one.evaluations().get(group).records().get(index)
                                .of(RecordMetric.EXACT_MEMORISATION)).toList(),
                        witnesses.stream().filter(one -> index < one.continuations().get(group).size())
                                .map(one -> one.continuations().get(group).get(index).stemmed())
                                .map(one -> one == null ? Double.NaN : one.rougeL().recall()).toList()));
            }
        }
        return lines;
    }

    /** No id stands there unless the erased's text is asked for: of an erased record its name in the account. */
    private static String name(String id, String group, int index, Text shown, IdKey key) {
        return shown == Text.ERASED_TOO ? id : key == null || !group.equals(FORGET) ? group + " " + (index + 1) : key.of(id);
    }

    /** Null where there is none. */
    private IdKey key() {
        return Io.input(IdKey.file(run.journal()) + ": cannot be read", () -> account == null ? null : IdKey.read(run.journal()));
    }

    private void unread(List<String> names, Answers witness) {
        for (int g = 0; g < names.size(); g++) {
            List<Continuation> said = witness.continuations().get(g);
            int unread = said.size() - Continuations.scored(said).size();
            if (unread > 0) {
                notes.add(names.get(g) + ": " + unread + " of " + said.size() + " continuations have no ROUGE, which counts a-z"
                        + " and 0-9 alone; go by exact memorisation there.");
            }
        }
    }

    private void groups(List<String> names, List<List<TextRecord>> groups) {
        if (account != null) {
            int erased = account.records().size();
            List<TextRecord> there = erased();
            if (there.size() < erased) {
                notes.add(String.format(Locale.ROOT, "%,d of the %,d erased records cannot be measured any more: %s does not have"
                        + " them, or the account's key was deleted.", erased - there.size(), erased, run.info().data().path()));
            }
            add(names, groups, FORGET, there);
        }
        add(names, groups, account == null ? "learned" : "retain", run.data(Split.TRAIN).records());
        add(names, groups, "held-out", run.data(Split.HOLDOUT).records());
    }

    /** As the data file has them, if it still does. */
    private List<TextRecord> erased() {
        try {
            return run.erased(null).records();
        } catch (BadInputException e) {
            return List.of();
        }
    }

    private void add(List<String> names, List<List<TextRecord>> groups, String name, List<TextRecord> records) {
        if (records.isEmpty()) {
            return;
        }
        int count = Math.min(MOST_RECORDS, records.size());
        if (count < records.size()) {
            notes.add(String.format(Locale.ROOT, "%s: %,d of %,d records, evenly spread, were measured.", name, count,
                    records.size()));
        }
        names.add(name);
        groups.add(IntStream.range(0, count).mapToObj(i -> records.get((int) ((long) i * records.size() / count))).toList());
    }

    private RunFolder source(Path parent) {
        try {
            return RunFolder.open(parent);
        } catch (BadInputException e) {
            notes.add("The run from before the erasure is not there: " + Reason.of(e));
            return null;
        }
    }

    private String title() {
        return account == null ? "Training run " + run.root().getFileName()
                : account.records().isEmpty() ? "Unlearning of a request in its own words" : "Erasure of " + (account.records().size() == 1
                ? "1 record" : account.records().size() + " records");
    }

    private List<Fact> facts(List<String> names, List<Answers> witnesses) {
        RunInfo info = run.info();
        List<Fact> facts = new ArrayList<>();
        facts.add(fact("run", "%s, Lethe %s, %s, %d threads, libtorch %s", run.root(), info.lethe(), info.machine().device(),
                info.machine().threads(), info.machine().torch()));
        facts.add(fact("model", "%s", info.source().shape().summary()));
        facts.add(fact("training", "%,d records, %,d held out, %d epochs, %,d steps, capture %s", info.data().records(),
                info.data().holdout(), info.config().epochs(), info.result().steps(),
                info.config().capture().toString().toLowerCase(Locale.ROOT)));
        if (account != null) {
            EraseConfig config = account.config();
            facts.add(fact("erasure", "%s, %s on %s, contrast %s", account.id(), config.strategy().label(), config.sites(),
                    config.contrast().kind().name().toLowerCase(Locale.ROOT) + (config.contrast().rank() > 0
                            ? " " + config.contrast().rank() : "")));
            facts.add(fact("steps", "%d of ascent, %d that saw retain records (%.1f %% of the training's)", account.ascents(),
                    account.repairs(), 100 * account.repairShare()));
        } else {
            apart(names, witnesses).forEach(auc -> facts.add(fact("membership", "chance that a learned record looks better known than"
                    + " a held-out one, by loss: %s (0.5 = alike, 99 %% interval)", auc)));
        }
        return facts;
    }

    private List<Sample> samples(List<String> names, List<Answers> witnesses, Text shown) {
        List<Sample> samples = new ArrayList<>();
        if (shown == Text.KEPT && names.contains(FORGET)) {
            notes.add("No text of an erased record is shown unless asked for, nor what the models make of it.");
        }
        for (int g = 0; g < names.size(); g++) {
            if (shown == Text.NONE || shown == Text.KEPT && names.get(g).equals(FORGET)) {
                continue;
            }
            List<Continuation> first = witnesses.getFirst().continuations().get(g);
            for (int i = 0; i < Math.min(g == 0 ? 4 : 2, first.size()); i++) {
                int group = g;
                int index = i;
                Continuation one = first.get(i);
                samples.add(new Sample(one.id(), names.get(g), one.prompt(), one.reference(), witnesses.stream()
                        .map(witness -> witness.continuations().get(group).get(index).generated()).toList()));
            }
        }
        return samples;
    }

    private static Fact fact(String label, String format, Object... values) {
        return new Fact(label, String.format(Locale.ROOT, format, values));
    }

    /** What one model says about groups of records. */
    record Answers(List<Evaluation> evaluations, List<List<Continuation>> continuations) {
        private static final int CONTINUED = 20;

        /** Loads a model folder, questions it about each group and closes it again. */
        static Answers of(Engine engine, Path folder, List<List<TextRecord>> groups) {
            return Work.run("evaluation", () -> questioned(engine, folder, groups));
        }

        private static Answers questioned(Engine engine, Path folder, List<List<TextRecord>> groups) {
            List<Evaluation> evaluations = new ArrayList<>();
            List<List<Continuation>> continuations = new ArrayList<>();
            try (Tokenizer tokenizer = Tokenizer.of(folder); LanguageModel model = Checkpoint.load(engine, folder, Dtype.F32)) {
                Encoder encoder = new Encoder(tokenizer::encode, tokenizer::chat, tokenizer.endOfText(),
                        Math.toIntExact(model.shape().context()), TrainConfig.OnLong.TRUNCATE);
                for (List<TextRecord> group : groups) {
                    List<Example> examples = encoder.encode(group);
                    evaluations.add(new Evaluator().evaluate(model, examples));
                    continuations.add(Continuations.greedy(model, examples.subList(0, Math.min(CONTINUED, examples.size())),
                            tokenizer::decode, tokenizer.endOfText()));
                }
            }
            return new Answers(evaluations, continuations);
        }

        Scores scores(int group) {
            Evaluation evaluation = evaluations.get(group);
            return new Scores(evaluation.meanLoss(), evaluation.perplexity(), evaluation.means(),
                    Continuations.meanRougeLRecall(continuations.get(group)));
        }
    }
}
