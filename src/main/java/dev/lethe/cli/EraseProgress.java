package dev.lethe.cli;

import dev.lethe.console.LetheCommand;
import dev.lethe.console.Progress;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import java.util.Locale;

/** Shows an erasure's moves, and its forget loss beside its reference. */
final class EraseProgress implements EraseListener, AutoCloseable {
    private final LetheCommand command;
    private Progress progress;
    private final Progress.LastLosses losses = new Progress.LastLosses();

    EraseProgress(LetheCommand command) {
        this.command = command;
        this.progress = command.progress();
    }

    @Override
    public void stage(String name) {
        progress.end();
        command.remark("erase: %s", name);
        progress = command.progress();
    }

    @Override
    public void step(EraseStep step, double target) {
        losses.see(step);
        progress.update("erase", step.index() + 1L, 0, // how many there will be nobody knows
                step.action().toString().toLowerCase(Locale.ROOT).replace('_', ' ') + ", " + losses.beside(target));
    }

    void end() {
        progress.end();
    }

    @Override
    public void close() {
        end();
    }
}
