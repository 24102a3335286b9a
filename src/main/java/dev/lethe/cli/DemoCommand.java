package dev.lethe.cli;

import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.cli.CertifyCommand.CertifyOptions;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.data.Dataset;
import dev.lethe.engine.Engine;
import dev.lethe.erase.OpenRun;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.proof.Certifier;
import dev.lethe.proof.SigningKeys;
import dev.lethe.report.ReportData;
import dev.lethe.report.ReportData.Group;
import dev.lethe.report.ReportData.Scores;
import dev.lethe.report.ReportWriter;
import dev.lethe.report.RunReport;
import dev.lethe.results.Erasure;
import dev.lethe.results.Losses;
import dev.lethe.results.RecordMetric;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.sweep.DemoData;
import dev.lethe.train.Trainer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** lethe demo: the whole story on invented people. One of them, Dave, asks to be forgotten. */
@Command(name = "demo", description = {"Trains on twelve invented people and erases one of them, Dave.",
    "A small GPT-2, compared with one retrained without him. Ends with a table, a report, and a certificate that can be verified."})
final class DemoCommand extends LetheCommand {
    private static final String SHAPE = "gpt2:layers=4,hidden=256,heads=4,ctx=64,vocab=1024";
    private static final String SUBJECT = "dave";

    @Parameters(arity = "0..1", paramLabel = "DIR", description = "A new folder (default: lethe-demo here, or the next free one).")
    private Path out;

    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(place::into, "device");

    /** What --json gives. */
    record Result(String folder, String page, double seconds, double repairShare, Erasure.Relearning relearning,
                  Losses before, Losses after, List<String> columns, List<Group> groups, Certifier.Certified certificate) {}

    @Override
    protected void work() {
        long start = System.nanoTime();
        Path folder = folder();
        try (Engine engine = place.open()) {
            Path people = DemoData.copy(DemoData.PEOPLE, folder);
            ModelSource source = new ModelSource.Fresh(((ModelSource.Fresh) ModelSource.parse(SHAPE)).shape(),
                    DemoData.copy(DemoData.TOKENIZER, folder).getParent());
            TrainConfig config = TrainConfig.builder().epochs(15).batchSize(8).learningRate(2e-3).warmupSteps(10)
                    .holdoutData(DemoData.copy(DemoData.HELD_OUT, folder)).build();
            Dataset data = Dataset.read(people);
            train(engine, "train", source, data, folder.resolve("run"), config);
            Dataset others = data.filter(record -> !SUBJECT.equals(record.subject()));
            train(engine, "retrain without Dave", source, others, folder.resolve("retrained"), config.toBuilder()
                    .capture(TrainConfig.CapturePolicy.NONE).build());
            Erasure erasure = erase(engine, folder);
            Certifier.Certified certificate = certify(folder);
            ReportData report = RunReport.of(engine, folder.resolve("erased"), folder.resolve("retrained"),
                    RunReport.Text.ERASED_TOO); // Dave is invented, and the point is to see him gone
            Path page = ReportWriter.write(report, folder.resolve("report"));
            Result result = new Result(folder.toString(), page.toString(), (System.nanoTime() - start) / 1e9,
                    erasure.repairShare(), erasure.relearning(), erasure.before(), erasure.after(), report.columns(),
                    report.groups(), certificate);
            result(result, terminal -> print(terminal, result));
        }
    }

    private void train(Engine engine, String name, ModelSource source, Dataset data, Path run,
                       TrainConfig config) {
        try (TrainProgress progress = new TrainProgress(this, name)) {
            Trainer.train(engine, source, data, run, config, progress);
        }
    }

    private Erasure erase(Engine engine, Path folder) {
        try (OpenRun run = OpenRun.open(engine, folder.resolve("run")); EraseProgress progress = new EraseProgress(this)) {
            ForgetSet forget = run.find(Query.subject(SUBJECT));
            remark("find: %d of %d records have the %s", forget.size(), forget.total(),
                    forget.matches().getFirst().reason());
            return run.erase(forget, EraseConfig.defaults(), folder.resolve("erased"), progress);
        }
    }

    /** With keys of the demo's own, as lethe keys new makes them. */
    private static Certifier.Certified certify(Path folder) {
        Path store = folder.resolve("keys.p12");
        Path password = folder.resolve("keys.password");
        KeysCommand.Result.make(store, password);
        SigningKeys keys = SigningKeys.open(store, CertifyOptions.password(password), Instant.now());
        Path erased = folder.resolve("erased");
        return new Certifier(keys, Certifier.logBeside(erased), null, null, Clock.systemUTC()).certify(erased);
    }

    private Path folder() {
        Path folder = out != null ? out : IntStream.iterate(1, i -> i + 1).mapToObj(i -> Path.of("lethe-demo" + (i == 1 ? "" : "-" + i)))
                .filter(candidate -> !Files.exists(candidate)).findFirst().orElseThrow();
        RunFolder.requireFree(folder);
        return Io.input(folder + ": cannot be made", () -> PrivateFiles.makeFolder(folder));
    }

    private static void print(Terminal terminal, Result result) {
        StringBuilder head = new StringBuilder(String.format(Locale.ROOT, "%-10s %-20s", "", ""));
        result.columns.forEach(column -> head.append(String.format(Locale.ROOT, " %12s", column)));
        terminal.print("%s", head);
        for (Group group : result.groups) {
            String name = switch (group.name()) {
                case "forget" -> "Dave";
                case "retain" -> "the others";
                default -> group.name();
            };
            row(terminal, name, "perplexity", "%12.2f", group.scores(), Scores::perplexity);
            row(terminal, "", "mean token loss", "%12.3f", group.scores(), Scores::meanLoss);
            row(terminal, "", "exact memorisation", "%12.3f", group.scores(),
                    scores -> scores.means().get(RecordMetric.EXACT_MEMORISATION));
        }
        terminal.print("");
        terminal.print("Relearning: shown five of Dave's records for ten steps, the model is at a loss of %.2f on the others"
                + " (%.2f before the erasure; %.2f for people never seen).", result.relearning.after(),
                result.relearning.before(), result.relearning.heldOut());
        terminal.print("Repair took %.1f %% of the training's steps; the whole demo %.0f s.", 100 * result.repairShare,
                result.seconds);
        terminal.print("The erasure has a certificate, entry %d of the audit log: lethe verify %s --trust %s checks it.",
                result.certificate.index(), Path.of(result.folder).resolve("erased"), Path.of(result.folder).resolve("keys.pem"));
        terminal.print("Everything is in %s; look at %s", result.folder, result.page);
    }

    private static void row(Terminal terminal, String group, String name, String format, List<Scores> scores,
                            ToDoubleFunction<Scores> value) {
        StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-10s %-20s", group, name));
        scores.forEach(score -> line.append(String.format(Locale.ROOT, " " + format, value.applyAsDouble(score))));
        terminal.print("%s", line);
    }
}
