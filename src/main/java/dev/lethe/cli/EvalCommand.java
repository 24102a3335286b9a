package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Settings;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.OpenModel;
import dev.lethe.console.Progress;
import dev.lethe.console.SettingOptions;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.eval.Continuations;
import dev.lethe.eval.Evaluator;
import dev.lethe.eval.TofuEvaluation;
import dev.lethe.eval.TofuEvaluation.TofuScores;
import dev.lethe.eval.TofuSets;
import dev.lethe.metric.MembershipScores;
import dev.lethe.results.Evaluation;
import dev.lethe.results.RecordMetric;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.spec.FormSettings;
import dev.lethe.text.Copies;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe eval: how much a model knows of the records of a file, beside a reference model if one is named. */
@Command(name = "eval", description = {"Measures how much a model knows of records.",
    "Loss and perplexity, memorisation, ROUGE of its continuations, membership inference; with --tofu all of TOFU's metrics."
            + " Definitions are OpenUnlearning's."})
final class EvalCommand extends LetheCommand {
    @Parameters(paramLabel = "RUN", description = "A run, or a Hugging Face folder.")
    private Path run;

    @Option(names = "--data", paramLabel = "FILE", description = "Records (default: those the run learned, or TOFU's split).")
    private Path data;

    @Option(names = "--tofu", paramLabel = "DIR",
            description = "A folder with TOFU's files: measures what is to be forgotten, retain_perturbed, real authors and"
                    + " world facts by probability, ROUGE and truth ratio, and model utility. With a reference: forget"
                    + " quality, privleak.")
    private Path tofu;

    @Option(names = "--reference", paramLabel = "RUN0", description = "A second run or folder, for comparison; with --tofu also its"
            + " evaluation, as --json of this command or OpenUnlearning's TOFU_EVAL.json.")
    private Path reference;

    @Option(names = "--non-members", paramLabel = "FILE",
            description = "Records never trained on, for membership inference (default: those the run held out).")
    private Path nonMembers;

    private String split = "forget10";
    private int continued = -1;
    private int answerTokens = Continuations.ANSWER_TOKENS;
    private double minK = MembershipScores.K;
    private OnLong onLong = OnLong.TRUNCATE;
    private final FormSettings form = new FormSettings();
    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(all -> {
        all.section("what is measured")
                .whole("continue", continued, "Prompts that the model continues, compared by ROUGE; -1 = 100, with --tofu none",
                        value -> continued = value)
                .text("forget_split", "NAME", split, "The split of --tofu to be forgotten where no --data names the records",
                        value -> split = value)
                .whole("answer_tokens", answerTokens, "The most tokens of a continuation, at least 1",
                        value -> answerTokens = Settings.atLeast(1, value))
                .number("min_k", "SHARE", minK, "The share of tokens that Min-K% and Min-K%++ look at", this::minK)
                .choice("on_long", "WHAT", onLong, "A record longer than the context: truncate (the count is told) or error",
                        value -> onLong = value);
        form.into(all);
        place.into(all);
    }, "continue", "device");

    @Override
    protected void work() {
        boolean evaluated = tofu != null && reference != null && Files.isRegularFile(reference);
        try (Engine engine = place.open()) {
            EvalResult mine = measure(engine, run);
            EvalResult other = reference == null || evaluated ? null : measure(engine, reference);
            EvalResult result = mine.beside(other, tofu == null ? null : other != null ? AgainstReference.of(mine, other)
                    : evaluated ? AgainstReference.of(mine, reference) : AgainstReference.none(mine));
            result(result, terminal -> result.print(terminal));
        }
    }

    private void minK(double value) {
        if (!(value > 0 && value <= 1)) {
            throw new IllegalArgumentException("must be above 0 and at most 1");
        }
        minK = value;
    }

    private EvalResult measure(Engine engine, Path path) {
        try (OpenModel open = OpenModel.open(engine, path); Progress progress = progress()) {
            Dataset records = records(open);
            OpenModel.Encoded encoded = open.encode(records.records(), onLong);
            if (encoded.truncated() > 0) {
                remark("%,d of %,d records are cut to the context of %d", encoded.truncated(),
                        records.size(), open.model().shape().context());
            }
            Evaluation evaluation = evaluate(open, records.records(), encoded, progress, "eval");
            int first = continued >= 0 ? continued : tofu != null ? 0 : 100;
            List<Continuations.Continuation> continuations = first == 0 ? List.of() : Continuations.greedy(open.model(),
                    encoded.examples().subList(0, Math.min(first, encoded.examples().size())),
                    open.tokenizer()::decode, open.tokenizer().endOfText(), answerTokens);
            int unread = continuations.size() - Continuations.scored(continuations).size();
            if (unread > 0) {
                remark("%,d of %,d continuations have no ROUGE, which counts a-z and 0-9 alone: their records"
                        + " are of another script; go by loss, memorisation and extraction", unread, continuations.size());
            }
            Dataset strangers = strangers(open, records);
            Map<RecordMetric, Double> attacks = Map.of();
            if (strangers != null && !strangers.isEmpty()) {
                Evaluation outside = evaluate(open, strangers.records(), open.encode(strangers.records(), OnLong.TRUNCATE),
                        progress, "eval of non-members");
                attacks = EvalResult.attacks(evaluation, outside);
            }
            return EvalResult.of(path, evaluation, encoded.truncated(), continuations, attacks,
                    strangers == null ? 0 : strangers.size(), tofu == null ? null : tofu(open, records, progress));
        }
    }

    private Evaluation evaluate(OpenModel open, List<TextRecord> records, OpenModel.Encoded encoded, Progress progress,
                                String name) {
        return new Evaluator(2048, done -> progress.update(name, done, records.size(), "")).withMinK(minK)
                .evaluate(open.model(), encoded.examples(),
                        example -> open.tokenizer().decode(example.saidTokens(open.tokenizer().endOfText())));
    }

    private TofuScores tofu(OpenModel open, Dataset forget, Progress progress) {
        TofuSets sets = new TofuSets.TofuFolder(tofu).sets(forget);
        if (sets.forget().size() < forget.size()) {
            remark("%,d of %,d records to forget have no paraphrase and wrong answers in %s: TOFU's metrics"
                    + " leave them out", forget.size() - sets.forget().size(), forget.size(), tofu);
        }
        Evaluator evaluator = new Evaluator(2048, done -> progress.update("answers of a TOFU set", done, 0, ""));
        TofuScores scores = new TofuEvaluation(open.model(), open.tokenizer(), evaluator, answerTokens).evaluate(sets);
        if (!scores.modelUtility().missing().isEmpty()) {
            remark("model utility is of %d parts of the nine; missing: %s", scores.modelUtility().parts().size(),
                    String.join(", ", scores.modelUtility().missing()));
        }
        return scores;
    }

    private Dataset records(OpenModel open) {
        if (data != null) {
            return form.read(data, open.form());
        }
        if (tofu != null) {
            return new TofuSets.TofuFolder(tofu).split(split);
        }
        if (open.run() == null) {
            throw new BadInputException("--data FILE is missing: " + open.folder() + " is not a run and knows no records");
        }
        return open.run().data(Split.TRAIN);
    }

    /** The non-members without copies of members. */
    private Dataset strangers(OpenModel open, Dataset records) {
        Dataset all = strangers(open);
        if (all == null) {
            return null;
        }
        boolean given = nonMembers != null || open.run() == null || holdout() != null;
        List<TextRecord> members = given ? records.records() : open.run().data(Split.TRAIN).records();
        Copies copies = Copies.among(Stream.concat(members.stream(), all.records().stream()).toList());
        Set<String> copied = IntStream.range(members.size(), members.size() + all.size())
                .filter(i -> copies.first(i) < members.size()).mapToObj(i -> copies.records().get(i).id())
                .collect(Collectors.toSet());
        if (!copied.isEmpty()) {
            remark("%,d of %,d non-members are left out: they equal or nearly equal members",
                    copied.size(), all.size());
        }
        return all.filter(record -> !copied.contains(record.id()));
    }

    /** TOFU's own held-out split, where it is what is measured and there. */
    private Dataset holdout() {
        return tofu == null || data != null ? null : new TofuSets.TofuFolder(tofu).holdout(split);
    }

    private Dataset strangers(OpenModel open) {
        if (nonMembers != null) {
            return form.read(nonMembers, open.form());
        }
        if (holdout() != null) {
            return holdout();
        }
        return open.run() == null || open.run().info().data().holdout() == 0 ? null : open.run().data(Split.HOLDOUT);
    }
}
