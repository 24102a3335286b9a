package dev.lethe.report;

import dev.lethe.report.Canvas.Marker;
import dev.lethe.report.Canvas.Stroke;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * Curves over a common axis; points that are no number are left out. The axis fits the curves: single points beyond it,
 * such as a try that went far off, stand at its edge.
 *
 * @param log whether the vertical axis is logarithmic; every value must then be above 0
 * @param level a height to mark, such as a target; NaN = none
 */
record LineChart(String name, String title, String horizontal, String vertical, boolean log, List<Line> lines, double level,
                 String levelName) implements Chart {
    private static final int MOST_MARKERS = 40;
    private static final Stroke LEVEL = new Stroke("#000000", 1, 3, 3);

    /** A curve; {@code joined} false shows its points alone. */
    record Line(String name, Style style, boolean joined, double[] x, double[] y) {
        /** Without the points that are no number. */
        Line finite() {
            int[] kept = IntStream.range(0, x.length).filter(i -> Double.isFinite(y[i])).toArray();
            return new Line(name, style, joined, Arrays.stream(kept).mapToDouble(i -> x[i]).toArray(),
                    Arrays.stream(kept).mapToDouble(i -> y[i]).toArray());
        }
    }

    /**
     * Okabe and Ito's colours, which the colour-blind tell apart, each with its own dash and marker for black and
     * white.
     */
    enum Style {
        BLUE("#0072b2", Marker.CIRCLE),
        ORANGE("#d55e00", Marker.SQUARE, 8, 3),
        GREEN("#009e73", Marker.TRIANGLE, 2, 3),
        GREY("#666666", Marker.CROSS, 1, 4);

        final String colour;
        final Marker marker;
        final float[] dash;

        Style(String colour, Marker marker, float... dash) {
            this.colour = colour;
            this.marker = marker;
            this.dash = dash;
        }

        Stroke stroke() {
            return new Stroke(colour, 1.8, dash);
        }
    }

    boolean isEmpty() {
        return lines.stream().map(Line::finite).allMatch(line -> line.x.length == 0);
    }

    @Override
    public void draw(Canvas canvas) {
        List<Line> drawn = lines.stream().map(Line::finite).filter(line -> line.x.length > 0).toList();
        List<Line> joined = drawn.stream().filter(Line::joined).toList();
        double[] x = drawn.stream().flatMapToDouble(line -> Arrays.stream(line.x)).sorted().toArray();
        double[] y = DoubleStream.concat((joined.isEmpty() ? drawn : joined).stream()
                .flatMapToDouble(line -> Arrays.stream(line.y)), DoubleStream.of(level).filter(Double::isFinite)).sorted()
                .toArray();
        double low = y[0];
        double high = y[y.length - 1];
        Frame frame = new Frame(canvas, Scale.linear(x[0], x[x.length - 1]), log ? Scale.log(low / 1.1, high * 3)
                : Scale.linear(Math.min(0, low), high * 1.05));
        frame.verticalAxis(vertical);
        frame.horizontalAxis(horizontal);
        List<Frame.Key> keys = new ArrayList<>();
        drawn.forEach(line -> keys.add(new Frame.Key(line.name, line.style.colour,
                line.joined ? line.style.stroke() : null, line.style.marker, null)));
        if (Double.isFinite(level)) {
            canvas.line(frame.left(), frame.y(level), frame.left() + frame.width(), frame.y(level), LEVEL);
            keys.add(new Frame.Key(levelName, LEVEL.colour(), LEVEL, null, null));
        }
        drawn.forEach(line -> draw(frame, line));
        frame.title(title, keys);
    }

    private static void draw(Frame frame, Line line) {
        double[] x = Arrays.stream(line.x).map(frame::x).toArray();
        double[] y = Arrays.stream(line.y).map(value -> Math.clamp(value, frame.vertical().low(), frame.vertical().high()))
                .map(frame::y).toArray();
        if (line.joined) {
            frame.canvas().polyline(x, y, line.style.stroke());
        }
        int stride = line.joined ? Math.max(1, x.length / MOST_MARKERS * 4) : 1;
        for (int i = 0; i < x.length; i += stride) {
            frame.canvas().marker(line.style.marker, x[i], y[i], line.style.colour);
        }
    }
}
