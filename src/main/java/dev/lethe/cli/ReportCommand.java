package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.SettingOptions;
import dev.lethe.engine.Engine;
import dev.lethe.report.ReportData;
import dev.lethe.report.ReportWriter;
import dev.lethe.report.RunReport;
import dev.lethe.report.RunReport.Text;
import dev.lethe.run.RunFolder;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe report: a page with numbers, plots and samples of a training or an erasure. */
@Command(name = "report", description = "Writes report.html, report.json and PNGs on a run: what was done, and what its model knows.")
final class ReportCommand extends LetheCommand {
    @Parameters(paramLabel = "RUN", description = "The run to report on.")
    private Path run;

    @Option(names = "--reference", paramLabel = "RUN0",
            description = "A run or folder that never saw the erased records.")
    private Path reference;

    @Option(names = "--out", paramLabel = "DIR", description = "Where to write (default: RUN/report).")
    private Path out;

    @Option(names = "--no-samples", description = "Leave out the records' text.")
    private boolean noSamples;

    @Option(names = "--show-erased", description = "Quote erased records too, and what the models make of them; else nothing"
            + " of them is in the report.")
    private boolean showErased;

    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(place::into, "device");

    /** What --json gives. */
    record Result(String page, ReportData report) {}

    @Override
    protected void work() {
        if (noSamples && showErased) {
            throw new BadInputException("--no-samples and --show-erased: give one of them");
        }
        Text shown = noSamples ? Text.NONE : showErased ? Text.ERASED_TOO : Text.KEPT;
        try (Engine engine = place.open()) {
            RunFolder opened = RunFolder.open(run);
            ReportData data = RunReport.of(engine, run, reference, shown);
            Path folder = out == null ? opened.report() : out;
            opened.keep(() -> ReportWriter.write(data, folder));
            Path page = folder.resolve("report.html");
            result(new Result(page.toString(), data), terminal -> terminal.print("%s", page));
        }
    }
}
