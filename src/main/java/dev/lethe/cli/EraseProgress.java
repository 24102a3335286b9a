package dev.lethe.cli;

import dev.lethe.unlearn.EraseListener;
import dev.lethe.unlearn.EraseStep;
import java.util.Locale;

/** Shows how near an erasure's forget loss has come to its reference. */
final class EraseProgress implements EraseListener, AutoCloseable {
    private final Terminal terminal;
    private final Common common;
    private Progress progress;
    private double start = Double.NaN;
    private double share;

    EraseProgress(Terminal terminal, Common common) {
        this.terminal = terminal;
        this.common = common;
        this.progress = common.progress(terminal);
    }

    @Override
    public void stage(String name) {
        progress.end();
        common.remark(terminal, "erase: %s", name);
        progress = common.progress(terminal);
    }

    @Override
    public void step(EraseStep step, double target) {
        if (Double.isNaN(step.forget())) {
            return;
        }
        if (Double.isNaN(start)) {
            start = step.forget();
        }
        double reached = target > start ? (step.forget() - start) / (target - start) : 1;
        share = step.rolledBack() ? share : Math.min(reached, 0.999); // the loop says when it has ended
        progress.share("erase", share, String.format(Locale.ROOT, "%s, forget %.3f of %.3f, retain %.3f",
                step.action().toString().toLowerCase(Locale.ROOT).replace('_', ' '), step.forget(), target, step.retain()));
    }

    void end() {
        progress.end();
    }

    @Override
    public void close() {
        end();
    }
}
