package dev.lethe.experiment;

import dev.lethe.console.LetheCommand;
import dev.lethe.console.Progress;
import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import dev.lethe.sweep.Sweep.StudyListener;
import java.util.Locale;

/** Shows how far a study is: a line a cell, and what its training or erasure is at. */
final class SweepProgress implements StudyListener, AutoCloseable {
    private final LetheCommand command;
    private final long start = System.nanoTime();
    private Progress progress;

    SweepProgress(LetheCommand command) {
        this.command = command;
        this.progress = command.progress();
    }

    @Override
    public void started(int cells, int done) {
        command.remark("study: %,d cells, %,d of them measured already", cells, done);
    }

    @Override
    public void cell(int number, int cells, Cell cell, String variant) {
        next();
        command.remark("cell %d/%d: %s, %s, seed %d", number, cells, variant, cell.forget(), cell.seed());
    }

    @Override
    public void measured(CellResult result) {
        next();
        Double baseText = result.metrics().get("base_text.loss");
        command.remark("  forget %.3f, retain %.3f, held-out %.3f%s%s (%s so far)", metric(result, "forget.loss"),
                metric(result, "retain.loss"), metric(result, "heldout.loss"),
                baseText == null ? "" : String.format(Locale.ROOT, ", base text %.3f", baseText),
                result.note().isEmpty() ? "" : "; " + result.note(),
                Progress.duration(System.nanoTime() - start));
    }

    private static double metric(CellResult result, String name) {
        return result.metrics().getOrDefault(name, Double.NaN);
    }

    @Override
    public void remark(String text) {
        next();
        command.remark("%s", text);
    }

    @Override
    public TrainListener training(String name) {
        next();
        return new TrainListener() {
            @Override
            public void step(TrainStep step) {
                progress.update("  " + name, step.step(), step.steps(), String.format(Locale.ROOT, "loss %.3f, %,.0f tokens/s",
                        step.loss(), step.tokensPerSecond()));
            }
        };
    }

    @Override
    public EraseListener erasing() {
        next();
        Progress.LastLosses losses = new Progress.LastLosses();
        return new EraseListener() {
            @Override
            public void step(EraseStep step, double target) {
                losses.see(step);
                progress.update("  erase", step.index() + 1L, 0, losses.beside(target));
            }
        };
    }

    private void next() {
        progress.end();
        progress = command.progress();
    }

    @Override
    public void close() {
        progress.close();
    }
}
