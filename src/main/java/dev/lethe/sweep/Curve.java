package dev.lethe.sweep;

import dev.lethe.results.EraseListener;
import dev.lethe.results.EraseStep;
import dev.lethe.spec.CellResult.CurvePoint;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleSupplier;

/** Keeps the moves of an erasure that were not taken back, and the time to the last of them; passes everything on. */
final class Curve implements EraseListener {
    private final EraseListener next;
    private final boolean influence;
    private final List<CurvePoint> points = new ArrayList<>();
    private long start = System.nanoTime();
    private long last = start;
    private long asking;

    /** @param influence whether it is asked for at the start and after each ascent step; the time it takes is not counted */
    Curve(EraseListener next, boolean influence) {
        this.next = next;
        this.influence = influence;
    }

    void begin() {
        start = System.nanoTime();
        last = start;
        asking = 0;
    }

    @Override
    public void stage(String name) {
        next.stage(name);
    }

    @Override
    public void step(EraseStep step, double target, DoubleSupplier asked) {
        last = System.nanoTime() - asking;
        if (!step.rolledBack()) {
            String action = switch (step.action()) {
                case OBSERVE -> points.isEmpty() ? "start" : "end";
                case ASCEND -> "ascent";
                default -> step.action().name().toLowerCase(Locale.ROOT).replace('_', ' ');
            };
            boolean moved = points.isEmpty() || step.action() != EraseStep.Action.REPAIR;
            points.add(new CurvePoint(points.size(), action, step.forget(), step.retain(), step.heldOut(),
                    influence && moved ? asked.getAsDouble() : Double.NaN));
        }
        asking += System.nanoTime() - asking - last;
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
