package dev.lethe.console;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.MpiGroup;
import dev.lethe.train.Ranks;
import picocli.CommandLine.Option;

/** Whether a command's process is one of several that share its work, as {@code --ranks} says; an mpirun alone does not. */
public final class RankChoice {
    @Option(names = "--ranks", description = "One of several processes that do this together: mpirun -n 2 lethe ${COMMAND-NAME} ..."
            + " --ranks")
    private boolean ranks;

    public boolean asked() {
        return ranks;
    }

    /** Whether the first of them speaks for this one. */
    public boolean follows() {
        return ranks && MpiGroup.follows();
    }

    /** @param does what each would do by itself. @throws BadInputException where an mpirun has started several and nobody asked for them */
    public void require(String does) {
        if (!ranks && MpiGroup.announced() > 1) {
            throw new BadInputException("one of " + MpiGroup.announced() + " processes that mpirun started, and each would " + does
                    + " by itself; add --ranks, for them to " + does + " together");
        }
    }

    /** The engine, among those that were started with this one where that is asked for; from here on the first of them speaks. */
    public Engine join(Engine engine, Terminal terminal) {
        if (!ranks) {
            return engine;
        }
        Engine shared = engine.among(() -> new Ranks(MpiGroup.join()));
        if (follows()) {
            terminal.mute(); // what went wrong on this one the first rank says too
        }
        return shared;
    }
}
