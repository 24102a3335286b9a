package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.Selection;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.data.Dataset;
import dev.lethe.find.Finder;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.ForgetSet.Match;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.spec.FormSettings;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe find: shows which records a query means and why; changes nothing. */
@Command(name = "find", description = "Shows which training records are meant, each with a score and the reason; changes nothing.")
final class FindCommand extends LetheCommand {
    @Parameters(arity = "0..1", paramLabel = "RUN", description = "The run whose training records are searched.")
    private Path run;

    @Option(names = "--data", paramLabel = "FILE", description = "A data file to search; with RUN its own, if it has moved.")
    private Path data;

    @Mixin
    private Selection selection;

    private final FormSettings form = new FormSettings();

    @Mixin
    private final SettingOptions settings = new SettingOptions(form::into);

    /** What --json gives. */
    record Result(int recordsSearched, List<Match> matches, List<Match> nearMisses) {}

    @Override
    protected void work() {
        try (Finder finder = new Finder(records().records())) {
            ForgetSet found = finder.find(selection.query());
            result(new Result(found.total(), found.matches(), found.nearMisses()), terminal -> {
                print(terminal, found.matches());
                terminal.print("%,d of %,d records match", found.size(), found.total());
                printNearMisses(terminal, found);
            });
        }
    }

    static void print(Terminal terminal, List<Match> matches) {
        int width = matches.stream().mapToInt(match -> match.recordId().length()).max().orElse(0);
        for (Match match : matches) {
            terminal.print("%5.1f  %-" + Math.max(width, 1) + "s  %s", match.score(), match.recordId(), match.reason());
        }
    }

    static void printNearMisses(Terminal terminal, ForgetSet found) {
        if (!found.nearMisses().isEmpty()) {
            terminal.print("the nearest, not among them:");
            print(terminal, found.nearMisses());
        }
    }

    private Dataset records() {
        if (run == null && data == null) {
            throw new BadInputException("name what to search: a RUN, or a file by --data FILE");
        }
        if (run == null) {
            return form.read(data, null);
        }
        RunFolder folder = RunFolder.open(run);
        return data == null ? folder.data(Split.TRAIN) : folder.data(Split.TRAIN, form.read(data, folder.info().data().form()));
    }
}
