package dev.lethe.cli;

import dev.lethe.base.Sizes;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.Progress;
import dev.lethe.results.TrainListener;
import dev.lethe.results.TrainStep;
import dev.lethe.shape.MemoryPlan;
import java.nio.file.Path;
import java.util.Locale;
import java.util.stream.Collectors;

/** Shows a training's plan, then its steps with loss, tokens a second and time left. */
final class TrainProgress implements TrainListener, AutoCloseable {
    private final LetheCommand command;
    private final String name;
    private final Progress progress;
    private MemoryPlan memory;
    private long nanos;
    private long tokens;

    TrainProgress(LetheCommand command, String name) {
        this.command = command;
        this.name = name;
        this.progress = command.progress();
    }

    @Override
    public void stage(String name) {
        command.remark("%s: %s", this.name, name);
    }

    @Override
    public void started(TrainListener.TrainPlan plan) {
        command.remark("%s: %,d records, %,d held out, %,d steps, %,d parameters%s%s", name, plan.records(),
                plan.holdout(), plan.steps(), plan.parameters(),
                plan.truncated() > 0 ? ", " + plan.truncated() + " records cut to the context" : "",
                plan.ledgerBytes() > 0 ? ", ledger about " + Sizes.of(plan.ledgerBytes()) : "");
        if (!plan.kept().isEmpty()) {
            command.remark("%s: checkpoints to replay from after steps %s, %s", name, plan.kept().stream().map(Object::toString)
                    .collect(Collectors.joining(", ")), Sizes.of(plan.keptBytes()));
        }
        MemoryPlan memory = plan.memory();
        command.remark("memory: %s of %s: model %s, AdamW %s, activations %s, head %s%s%s", Sizes.of(memory.total()),
                Sizes.of(memory.available()), Sizes.of(memory.parameters() + memory.shadow() + memory.gradient()),
                Sizes.of(memory.moments()), Sizes.of(memory.activations()), Sizes.of(memory.head()),
                memory.capture() == 0 ? "" : ", capture " + Sizes.of(memory.capture()) + " and " + Sizes.of(memory.ring())
                        + " pinned",
                plan.microTokens() == 0 ? memory.fits() ? "" : "; this may not fit"
                        : String.format(Locale.ROOT, "; batches in pieces of at most %,d tokens", plan.microTokens()));
        if (plan.waitsForEntries()) {
            command.remark("capture: a batch's entries, %s, take at least %.2f s to leave the device, longer than a step:"
                    + " capture fewer sites, at a rank, in bf16, or fewer records",
                    Sizes.of(memory.capture() / 2), plan.leavingSeconds());
        }
        this.memory = memory;
        progress.from(plan.doneSteps());
        if (plan.doneSteps() > 0) {
            command.remark("%s: going on after step %,d", name, plan.doneSteps());
        }
    }

    @Override
    public void step(TrainStep step) {
        nanos += step.elapsedNanos();
        tokens += step.tokens();
        progress.update(name, step.step(), step.steps(), String.format(Locale.ROOT, "epoch %d/%d, loss %.3f, %,.0f tokens/s%s",
                step.epoch(), step.epochs(), step.loss(), tokensPerSecond(), step.captured() ? ", capturing" : ""));
    }

    /** What the largest batch takes; null before the training starts. */
    MemoryPlan memory() {
        return memory;
    }

    /** Seconds spent in steps. */
    double seconds() {
        return nanos * 1e-9;
    }

    double tokensPerSecond() {
        return nanos == 0 ? Double.NaN : tokens / seconds();
    }

    @Override
    public void finished(Path run) {
        progress.end();
    }

    @Override
    public void close() {
        progress.close();
    }
}
