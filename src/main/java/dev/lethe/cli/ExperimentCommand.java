package dev.lethe.cli;

import dev.lethe.engine.BadInputException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParentCommand;

/** lethe experiment: measurements of Lethe's own methods. */
@Command(name = "experiment", mixinStandardHelpOptions = true, description = "Measures Lethe's own methods on a run.",
        subcommands = {InfluenceExperiment.class, LdsExperiment.class, LooExperiment.class})
final class ExperimentCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Override
    public Integer call() {
        throw new BadInputException("name an experiment: influence, lds or loo");
    }

    Main main() {
        return main;
    }
}
