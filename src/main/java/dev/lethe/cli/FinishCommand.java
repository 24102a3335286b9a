package dev.lethe.cli;

import dev.lethe.console.LetheCommand;
import dev.lethe.erase.OpenRun;
import dev.lethe.results.Destroyed;
import dev.lethe.results.Erasure;
import dev.lethe.results.Trace;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe finish: goes on with an erasure whose new run is there and whose records are not yet gone everywhere. */
@Command(name = "finish", description = {"Goes on with an erasure that was cut off.",
    "Destroys what the runs of a lineage still hold of erased records; exit code 4 while something is left. Safe to repeat."})
final class FinishCommand extends LetheCommand {
    @Parameters(paramLabel = "RUN", description = "Any run of the lineage: the new one, the source, another erased from it.")
    private Path run;

    @Option(names = "--gone", paramLabel = "RUN",
            description = "A run of the lineage that was deleted and not moved: your word, kept in the run that names it.")
    private List<Path> gone = new ArrayList<>();

    @Option(names = "--found", paramLabel = "DIR", description = "Where a run of the lineage has moved to.")
    private List<Path> found = new ArrayList<>();

    /** What --json gives. */
    record Result(String run, List<Finished> erasures) {}

    /** One erasure that is now complete. */
    record Finished(String id, String run, int records, int entriesDestroyed, List<Destroyed> places,
                    List<Trace> left) {}

    @Override
    protected void work() {
        List<Finished> finished = OpenRun.finish(run, gone, found).stream().map(erasure -> of(erasure)).toList();
        Result result = new Result(run.toString(), finished);
        result(result, terminal -> {
            finished.forEach(one -> {
                terminal.print("erasure %s of %,d records into %s is finished:", one.id, one.records, one.run);
                EraseCommand.printPlaces(terminal, one.places, one.left);
            });
            if (finished.isEmpty()) {
                terminal.print("%s: no erasure is unfinished", run);
            }
        });
    }

    private static Finished of(Erasure erasure) {
        return new Finished(erasure.id(), erasure.out().toString(), erasure.records().size(), erasure.entriesDestroyed(),
                erasure.places(), erasure.left());
    }
}
