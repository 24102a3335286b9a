package dev.lethe;

import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import java.nio.file.Path;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;

/** Makes a job's progress of what trainings and erasures tell, and passes it on. */
final class Telling {
    private Telling() { }

    static TrainListener training(Consumer<Job.Progress> progress, TrainListener too) {
        return new TrainListener() {
            @Override
            public void stage(String name) {
                progress.accept(new Job.Progress(name, 0, 0, ""));
                too.stage(name);
            }

            @Override
            public void started(TrainPlan plan) {
                too.started(plan);
            }

            @Override
            public void step(TrainStep step) {
                progress.accept(new Job.Progress("training", step.step(), step.steps(),
                        String.format(Locale.ROOT, "loss %.3f", step.loss())));
                too.step(step);
            }

            @Override
            public void checkpoint(long step) {
                too.checkpoint(step);
            }

            @Override
            public void finished(Path run) {
                too.finished(run);
            }
        };
    }

    static EraseListener erasing(Consumer<Job.Progress> progress, EraseListener too) {
        return new EraseListener() {
            @Override
            public void stage(String name) {
                progress.accept(new Job.Progress(name, 0, 0, ""));
                too.stage(name);
            }

            @Override
            public void step(EraseStep step, double target) {
                tell(step, target);
                too.step(step, target);
            }

            @Override
            public void step(EraseStep step, double target, DoubleSupplier influence) {
                tell(step, target);
                too.step(step, target, influence);
            }

            private void tell(EraseStep step, double target) {
                progress.accept(new Job.Progress(step.phase().name().toLowerCase(Locale.ROOT), step.index(), 0,
                        String.format(Locale.ROOT, "forget loss %.3f, to reach %.3f", step.forget(), target)));
            }
        };
    }
}
