package dev.lethe.cli;

import dev.lethe.data.Dataset;
import dev.lethe.data.OnLong;
import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.eval.Continuations;
import dev.lethe.eval.Evaluation;
import dev.lethe.eval.Evaluator;
import dev.lethe.eval.GradientNormAttack;
import dev.lethe.eval.MembershipInference;
import dev.lethe.eval.ReferenceAttack;
import dev.lethe.eval.TofuScores;
import dev.lethe.eval.TofuSets;
import dev.lethe.train.Split;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParentCommand;

/** lethe eval: how much a model knows of the records of a file, beside a reference model if one is named. */
@Command(name = "eval", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Measures how much a model knows of records: loss and perplexity, memorisation, ROUGE of its"
                + " continuations, membership inference, and TOFU's metrics, also against a retrained model.")
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

    @Option(names = "--retrained", paramLabel = "RUN1",
            description = "A model trained without the forgotten records: forget quality with --forget-perturbed, and"
                    + " privacy leak and the reference attack with --data of the forgotten records and non-members.")
    private Path retrained;

    @Option(names = "--gradient-norm",
            description = "Also attack by the norm of each record's gradient: a pass forward and backward a record.")
    private boolean gradientNorm;

    @Mixin
    private TofuOptions tofu;

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

    /** What was measured of the first model, and will be of a retrained one; outside is null without strangers. */
    private record Measured(EvalResult result, Dataset records, Dataset strangers, Evaluation inside,
                            Evaluation outside) {}

    @Override
    public Integer call() {
        Terminal terminal = main.terminal();
        TofuSets sets = tofu.read();
        try (Engine engine = hardware.open()) {
            Measured mine = measure(engine, run, sets, terminal);
            EvalResult result = retrained == null ? mine.result() : besideRetrained(engine, mine, sets, terminal);
            EvalResult whole = reference == null ? result
                    : result.withReference(measure(engine, reference, sets, terminal).result());
            common.result(terminal, whole, () -> whole.print(terminal));
        }
        return 0;
    }

    private Measured measure(Engine engine, Path path, TofuSets sets, Terminal terminal) {
        try (OpenModel open = OpenModel.open(engine, path); Progress progress = common.progress(terminal)) {
            Dataset records = records(open);
            Dataset strangers = strangers(open);
            requireUse(strangers, sets);
            OpenModel.Encoded encoded = open.encode(records.records(), onLong);
            if (encoded.truncated() > 0) {
                common.remark(terminal, "%,d of %,d records are cut to the context of %d", encoded.truncated(),
                        records.size(), open.model().shape().context());
            }
            Evaluation inside = evaluate(open, records.records(), encoded, progress, "eval");
            List<Continuations.Continuation> continuations = continued == 0 ? List.of() : Continuations.greedy(open.model(),
                    encoded.examples().subList(0, Math.min(continued, encoded.examples().size())),
                    open.tokenizer()::decode, open.tokenizer().endOfText());
            Evaluation outside = strangers == null ? null : evaluate(open, strangers, progress);
            EvalResult result = EvalResult.of(path, inside, encoded.truncated(), continuations,
                    outside == null ? List.of() : EvalResult.attacks(inside, outside),
                    strangers == null ? 0 : strangers.size());
            if (gradientNorm) {
                result = result.withAttack(GradientNormAttack.attack(open.model(), encoded.examples(),
                        open.encode(strangers.records(), OnLong.TRUNCATE).examples()));
            }
            result = result.withTofu(TofuOptions.evaluate(open, sets, progress));
            return new Measured(result, records, strangers, inside, outside);
        }
    }

    /** Refuses options that would have nothing to work on. */
    private void requireUse(Dataset strangers, TofuSets sets) {
        if (gradientNorm && strangers == null) {
            throw new BadInputException("--gradient-norm needs records never trained on; name them with"
                    + " --non-members FILE");
        }
        if (retrained != null && strangers == null && sets.forget() == null) {
            throw new BadInputException("--retrained has nothing to compare: add --forget-perturbed FILE for forget"
                    + " quality, or --non-members FILE for privacy leak and the reference attack");
        }
    }

    private EvalResult besideRetrained(Engine engine, Measured mine, TofuSets sets, Terminal terminal) {
        try (OpenModel open = OpenModel.open(engine, retrained); Progress progress = common.progress(terminal)) {
            Evaluation inside = evaluate(open, mine.records().records(), open.encode(mine.records().records(), onLong),
                    progress, "eval of the retrained model");
            EvalResult result = mine.result();
            List<MembershipInference.Result> attacks = List.of();
            if (mine.outside() != null) {
                Evaluation outside = evaluate(open, mine.strangers(), progress);
                attacks = EvalResult.attacks(inside, outside);
                result = result.withAttack(ReferenceAttack.attack(new ReferenceAttack.Sides(mine.inside(), inside),
                        new ReferenceAttack.Sides(mine.outside(), outside)));
            }
            TofuScores[] both = sets.forget() == null ? null
                    : new TofuScores[] {result.tofu(), TofuOptions.evaluate(open, sets.forgetOnly(), progress)};
            return result.withRetrained(
                    EvalRetrained.of(retrained.toString(), result.membershipAuc(), inside, attacks, both));
        }
    }

    private static Evaluation evaluate(OpenModel open, Dataset strangers, Progress progress) {
        return evaluate(open, strangers.records(), open.encode(strangers.records(), OnLong.TRUNCATE), progress,
                "eval of non-members");
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

    private Dataset strangers(OpenModel open) {
        if (nonMembers != null) {
            return Dataset.read(nonMembers);
        }
        Dataset heldOut = open.run() == null || open.run().info().data().holdout() == 0 ? null
                : open.run().data(Split.HOLDOUT);
        return heldOut == null || heldOut.isEmpty() ? null : heldOut;
    }
}
