package dev.lethe.study;

import dev.lethe.study.CellResult.CurvePoint;
import dev.lethe.unlearn.EraseListener;
import dev.lethe.unlearn.EraseStep;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Keeps the moves of an erasure that were not taken back, and the time to the last of them; passes everything on. */
final class Curve implements EraseListener {
    private final EraseListener next;
    private final List<CurvePoint> points = new ArrayList<>();
    private long start = System.nanoTime();
    private long last = start;

    Curve(EraseListener next) {
        this.next = next;
    }

    void begin() {
        start = System.nanoTime();
        last = start;
    }

    @Override
    public void stage(String name) {
        next.stage(name);
    }

    @Override
    public void step(EraseStep step, double target) {
        last = System.nanoTime();
        if (!step.rolledBack()) {
            String action = switch (step.action()) {
                case OBSERVE -> points.isEmpty() ? "start" : "end";
                case ASCEND -> "ascent";
                default -> step.action().name().toLowerCase(Locale.ROOT);
            };
            points.add(new CurvePoint(points.size(), action, step.forget(), step.retain(), step.heldOut(), Double.NaN));
        }
        next.step(step, target);
    }

    /** From the beginning to the last move. */
    double seconds() {
        return (last - start) * 1e-9;
    }

    List<CurvePoint> points() {
        return List.copyOf(points);
    }
}
