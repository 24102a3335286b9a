package dev.lethe.chart;

import dev.lethe.chart.Canvas.Anchor;
import dev.lethe.chart.Canvas.Stroke;
import java.util.Comparator;
import java.util.List;

/** A rectangle that values are plotted in: axes with ticks and units. A chart has one, or several side by side. */
public record Frame(Canvas canvas, Scale horizontal, Scale vertical, double left, double top, double right, double bottom) {
    static final Stroke GRID = new Stroke("#d9d9d9", 0.8);
    static final Stroke AXIS = new Stroke("#444444", 1);
    /** Where something is aimed at. */
    static final Stroke LEVEL = new Stroke("#000000", 1, 3, 3);

    /** The one frame of a chart of the usual size. */
    public Frame(Canvas canvas, Scale horizontal, Scale vertical) {
        this(canvas, horizontal, vertical, 74, 52, Chart.WIDTH - 16, Chart.HEIGHT - 46);
    }

    double x(double value) {
        return left + horizontal.at(value) * width();
    }

    public double y(double value) {
        return top + (1 - vertical.at(value)) * (bottom - top);
    }

    public double width() {
        return right - left;
    }

    public void verticalAxis(String label) {
        for (Scale.Tick tick : vertical.ticks()) {
            double y = y(tick.value());
            canvas.line(left, y, right, y, GRID);
            canvas.text(left - 6, y + 4, tick.label(), 11, Anchor.END, false);
        }
        canvas.line(left, top, left, bottom, AXIS);
        canvas.text(left - 58, (top + bottom) / 2, label, 12, Anchor.MIDDLE, true);
    }

    public void horizontalAxis(String label) {
        horizontalAxis(label, false);
    }

    /** @param counts whether only whole numbers have a meaning */
    void horizontalAxis(String label, boolean counts) {
        double free = Double.NEGATIVE_INFINITY; // no tick's label may reach into the one before
        for (Scale.Tick tick : horizontal.ticks().stream().sorted(Comparator.comparingDouble(Scale.Tick::value))
        .toList()) {
            if (counts && Math.abs(tick.value() - Math.rint(tick.value())) > 1e-9) {
                continue;
            }
            double x = x(tick.value());
            double half = Canvas.widthOf(tick.label(), 11) / 2 + 3;
            canvas.line(x, bottom, x, bottom + 4, AXIS);
            if (x - half >= free) {
                canvas.text(x, bottom + 17, tick.label(), 11, Anchor.MIDDLE, false);
                free = x + half;
            }
        }
        baseline(label);
    }

    /** Lines at the ticks of the horizontal axis, for rows that are read from left to right. */
    void uprightGrid() {
        horizontal.ticks().forEach(tick -> canvas.line(x(tick.value()), top, x(tick.value()), bottom, GRID));
    }

    void baseline(String label) {
        canvas.line(left, bottom, right, bottom, AXIS);
        canvas.text(left + width() / 2, bottom + 38, label, 12, Anchor.MIDDLE, false);
    }

    /** A height to compare with. */
    void level(double value) {
        if (Double.isFinite(value) && value >= vertical.low() && value <= vertical.high()) {
            canvas.line(left, y(value), right, y(value), LEVEL);
        }
    }

    /** The same on the horizontal axis. */
    void uprightLevel(double value) {
        if (Double.isFinite(value)) {
            canvas.line(x(value), top, x(value), bottom, LEVEL);
        }
    }

    public void title(String title, List<Legend.Key> legend) {
        canvas.text(left, 18, title, 14, Anchor.START, false);
        Legend.draw(canvas, left, 36, Double.MAX_VALUE, legend);
    }
}
