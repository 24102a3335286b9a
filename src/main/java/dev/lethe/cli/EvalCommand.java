package dev.lethe.cli;

import dev.lethe.data.Copies;
import dev.lethe.data.Dataset;
import dev.lethe.data.OnLong;
import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.eval.Continuations;
import dev.lethe.eval.Evaluation;
import dev.lethe.eval.Evaluator;
import dev.lethe.eval.MembershipInference;
import dev.lethe.train.Split;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** lethe eval: how much a model knows of the records of a file, beside a reference model if one is named. */
@Command(name = "eval", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Measures how much a model knows of records: loss and perplexity, memorisation, ROUGE of its"
                + " continuations, membership inference.")
final class EvalCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Option(names = "--run", paramLabel = "RUN", required = true, description = "A run, or a Hugging Face folder.")
    private Path run;

    @Option(names = "--data", paramLabel = "FILE", description = "Records (default: those the run learned).")
    private Path data;

    @Option(names = "--reference", paramLabel = "RUN0", description = "A second run or folder, for comparison.")
    private Path reference;

    @Option(names = "--non-members", paramLabel = "FILE",
            description = "Records never trained on, for membership inference (default: those the run held out).")
    private Path nonMembers;

    @Option(names = "--continue", paramLabel = "N", defaultValue = "100",
            description = "Let the model continue the first N prompts and compare by ROUGE; 0 = none (default: 100).")
    private int continued;

    @Option(names = "--on-long", paramLabel = "WHAT", defaultValue = "truncate",
            description = "A record longer than the context: truncate (the count is told) or error.")
    private OnLong onLong;

    @Mixin
    private Hardware hardware;

    @Mixin
    private Common common;

    @Override
    public Integer call() {
        Terminal terminal = main.terminal();
        try (Engine engine = hardware.open()) {
            EvalResult mine = measure(engine, run, terminal);
            EvalResult other = reference == null ? null : measure(engine, reference, terminal);
            EvalResult result = other == null ? mine : mine.withReference(other);
            common.result(terminal, result, () -> result.print(terminal));
        }
        return 0;
    }

    private EvalResult measure(Engine engine, Path path, Terminal terminal) {
        try (OpenModel open = OpenModel.open(engine, path); Progress progress = common.progress(terminal)) {
            Dataset records = records(open);
            OpenModel.Encoded encoded = open.encode(records.records(), onLong);
            if (encoded.truncated() > 0) {
                common.remark(terminal, "%,d of %,d records are cut to the context of %d", encoded.truncated(),
                        records.size(), open.model().shape().context());
            }
            Evaluation evaluation = evaluate(open, records.records(), encoded, progress, "eval");
            List<Continuations.Continuation> continuations = continued == 0 ? List.of() : Continuations.greedy(open.model(),
                    encoded.examples().subList(0, Math.min(continued, encoded.examples().size())),
                    open.tokenizer()::decode, open.tokenizer().endOfText());
            int unread = continuations.size() - Continuations.scored(continuations).size();
            if (unread > 0) {
                common.remark(terminal, "%,d of %,d continuations have no ROUGE, which counts a-z and 0-9 alone: their records"
                        + " are of another script; go by loss, memorisation and extraction", unread, continuations.size());
            }
            Dataset strangers = strangers(open, records, terminal);
            List<MembershipInference.Result> attacks = List.of();
            if (strangers != null && !strangers.isEmpty()) {
                Evaluation outside = evaluate(open, strangers.records(), open.encode(strangers.records(), OnLong.TRUNCATE),
                        progress, "eval of non-members");
                attacks = EvalResult.attacks(evaluation, outside);
            }
            return EvalResult.of(path, evaluation, encoded.truncated(), continuations, attacks,
                    strangers == null ? 0 : strangers.size());
        }
    }

    private static Evaluation evaluate(OpenModel open, List<Record> records, OpenModel.Encoded encoded, Progress progress,
                                       String name) {
        return new Evaluator(2048, done -> progress.update(name, done, records.size(), ""))
                .evaluate(open.model(), encoded.examples(), example -> records.get(example.index()).completion());
    }

    private Dataset records(OpenModel open) {
        if (data != null) {
            return Dataset.read(data);
        }
        if (open.run() == null) {
            throw new BadInputException("--data FILE is missing: " + open.folder() + " is not a run and knows no records");
        }
        return open.run().data(Split.TRAIN);
    }

    /** The non-members without copies of members. */
    private Dataset strangers(OpenModel open, Dataset records, Terminal terminal) {
        Dataset all = strangers(open);
        if (all == null) {
            return null;
        }
        List<Record> members = nonMembers != null ? records.records() : open.run().data(Split.TRAIN).records();
        Copies copies = Copies.among(Stream.concat(members.stream(), all.records().stream()).toList());
        Set<String> copied = IntStream.range(members.size(), members.size() + all.size())
                .filter(i -> copies.first(i) < members.size()).mapToObj(i -> copies.records().get(i).id())
                .collect(Collectors.toSet());
        if (!copied.isEmpty()) {
            common.remark(terminal, "%,d of %,d non-members are left out: they equal or nearly equal members",
                    copied.size(), all.size());
        }
        return all.filter(record -> !copied.contains(record.id()));
    }

    private Dataset strangers(OpenModel open) {
        if (nonMembers != null) {
            return Dataset.read(nonMembers);
        }
        return open.run() == null || open.run().info().data().holdout() == 0 ? null : open.run().data(Split.HOLDOUT);
    }
}
