package dev.lethe.report;

import dev.lethe.report.Canvas.Anchor;
import dev.lethe.report.Canvas.Stroke;
import java.util.List;

/** The rectangle that a chart plots in: axes with ticks and units, a title, a legend above. */
record Frame(Canvas canvas, Scale horizontal, Scale vertical) {
    private static final double LEFT = 74;
    private static final double RIGHT = 16;
    private static final double TOP = 52;
    private static final double BOTTOM = 46;
    private static final Stroke GRID = new Stroke("#d9d9d9", 0.8);
    private static final Stroke AXIS = new Stroke("#444444", 1);

    /**
     * An entry of the legend: its name behind a stretch of line, a marker, or a box.
     *
     * @param line null = none
     * @param marker null = none
     * @param fill of the box, null = no box
     */
    record Key(String name, String colour, Stroke line, Canvas.Marker marker, String fill) {}

    double x(double value) {
        return LEFT + horizontal.at(value) * width();
    }

    double y(double value) {
        return TOP + (1 - vertical.at(value)) * (Chart.HEIGHT - TOP - BOTTOM);
    }

    double width() {
        return Chart.WIDTH - LEFT - RIGHT;
    }

    double left() {
        return LEFT;
    }

    double bottom() {
        return Chart.HEIGHT - BOTTOM;
    }

    void verticalAxis(String label) {
        for (Scale.Tick tick : vertical.ticks()) {
            double y = y(tick.value());
            canvas.line(LEFT, y, Chart.WIDTH - RIGHT, y, GRID);
            canvas.text(LEFT - 6, y + 4, tick.label(), 11, Anchor.END, false);
        }
        canvas.line(LEFT, TOP, LEFT, bottom(), AXIS);
        canvas.text(16, (TOP + bottom()) / 2, label, 12, Anchor.MIDDLE, true);
    }

    void horizontalAxis(String label) {
        for (Scale.Tick tick : horizontal.ticks()) {
            double x = x(tick.value());
            canvas.line(x, bottom(), x, bottom() + 4, AXIS);
            canvas.text(x, bottom() + 17, tick.label(), 11, Anchor.MIDDLE, false);
        }
        baseline(label);
    }

    void baseline(String label) {
        canvas.line(LEFT, bottom(), Chart.WIDTH - RIGHT, bottom(), AXIS);
        canvas.text(LEFT + width() / 2, Chart.HEIGHT - 8, label, 12, Anchor.MIDDLE, false);
    }

    void title(String title, List<Key> legend) {
        canvas.text(LEFT, 18, title, 14, Anchor.START, false);
        double x = LEFT;
        for (Key key : legend) {
            if (key.line != null) {
                canvas.line(x, 36, x + 26, 36, key.line);
            }
            if (key.fill != null) {
                canvas.rectangle(x + 4, 30, 18, 12, key.fill, new Stroke(key.colour, 1.5));
            }
            if (key.marker != null) {
                canvas.marker(key.marker, x + 13, 36, key.colour);
            }
            canvas.text(x + 31, 40, key.name, 12, Anchor.START, false);
            x += 31 + 6.6 * key.name.length() + 18; // 6.6: width of a character of this size, about
        }
    }
}
