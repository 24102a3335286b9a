package dev.lethe.chart;

import dev.lethe.chart.Canvas.Anchor;
import dev.lethe.chart.Canvas.Marker;
import dev.lethe.chart.Canvas.Stroke;
import java.util.List;

/** The names of what a chart shows, each behind a piece of how it is drawn; in rows as wide as there is room. */
final class Legend {
    static final double ROW = 18;

    /**
     * An entry: its name behind a stretch of line, a marker, or a box.
     *
     * @param line null = none
     * @param marker null = none
     * @param fill of the box, null = no box
     */
    record Key(String name, String colour, Stroke line, Marker marker, String fill) {
        static Key of(String name, Style style, boolean joined) {
            return new Key(name, style.colour, joined ? style.stroke() : null, style.marker, null);
        }

        /** Of a value to compare with. */
        static Key level(String name) {
            return new Key(name, Frame.LEVEL.colour(), Frame.LEVEL, null, null);
        }

        private double width() {
            return 31 + Math.max(Canvas.widthOf(name, 12), 6.6 * name.length()) + 14;
        }
    }

    private Legend() {}

    /** How many rows {@link #draw} needs. */
    static int rows(double width, List<Key> keys) {
        return keys.isEmpty() ? 0 : 1 + (int) Math.round((place(null, 0, 0, width, keys)) / ROW);
    }

    /** @param y middle of the first row */
    static void draw(Canvas canvas, double left, double y, double width, List<Key> keys) {
        place(canvas, left, y, width, keys);
    }

    private static double place(Canvas canvas, double left, double first, double width, List<Key> keys) {
        double x = left;
        double y = first;
        for (Key key : keys) {
            if (x > left && x + key.width() > left + width) {
                x = left;
                y += ROW;
            }
            if (canvas != null) {
                draw(canvas, x, y, key);
            }
            x += key.width();
        }
        return y - first;
    }

    private static void draw(Canvas canvas, double x, double y, Key key) {
        if (key.line != null) {
            canvas.line(x, y, x + 26, y, key.line);
        }
        if (key.fill != null) {
            canvas.rectangle(x + 4, y - 6, 18, 12, key.fill, new Stroke(key.colour, 1.5));
        }
        if (key.marker != null) {
            canvas.marker(key.marker, x + 13, y, key.colour);
        }
        canvas.text(x + 31, y + 4, key.name, 12, Anchor.START, false);
    }
}
