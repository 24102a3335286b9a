package dev.lethe.console;

import dev.lethe.strategy.EraseStep;
import java.util.Locale;

/** What the moves of an erasure have last left of the forget and retain loss: most look at one of them, or at none. */
public final class LastLosses {
    private double forget = Double.NaN;
    private double retain = Double.NaN;

    public void see(EraseStep step) {
        if (!step.rolledBack()) {
            forget = Double.isNaN(step.forget()) ? forget : step.forget();
            retain = Double.isNaN(step.retain()) ? retain : step.retain();
        }
    }

    /** As a line of progress has them. */
    public String beside(double target) {
        return String.format(Locale.ROOT, "forget %.3f of %.3f, retain %.3f", forget, target, retain);
    }
}
