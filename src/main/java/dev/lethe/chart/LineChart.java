package dev.lethe.chart;

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
public record LineChart(String name, String title, String horizontal, String vertical, boolean log, List<Line> lines,
                        double level, String levelName) implements Chart {
    private static final int MOST_MARKERS = 40;

    /** A curve; {@code joined} false shows its points alone. */
    public record Line(String name, Style style, boolean joined, double[] x, double[] y) {
        /** Without the points that are no number. */
        Line finite() {
            int[] kept = IntStream.range(0, x.length).filter(i -> Double.isFinite(y[i])).toArray();
            return new Line(name, style, joined, Arrays.stream(kept).mapToDouble(i -> x[i]).toArray(),
                    Arrays.stream(kept).mapToDouble(i -> y[i]).toArray());
        }
    }

    public boolean isEmpty() {
        return lines.stream().map(Line::finite).allMatch(line -> line.x.length == 0);
    }

    @Override
    public void draw(Canvas canvas) {
        List<Line> drawn = lines.stream().map(Line::finite).filter(line -> line.x.length > 0).toList();
        List<Line> joined = drawn.stream().filter(Line::joined).toList();
        double[] x = drawn.stream().flatMapToDouble(line -> Arrays.stream(line.x)).sorted().toArray();
        double[] y = DoubleStream.concat((joined.isEmpty() ? drawn : joined).stream()
                .flatMapToDouble(line -> Arrays.stream(line.y)), DoubleStream.of(level).filter(Double::isFinite))
                .sorted().toArray();
        double low = y[0];
        double high = y[y.length - 1];
        Frame frame = new Frame(canvas, Scale.linear(x[0], x[x.length - 1]), log ? Scale.log(low / 1.1, high * 3)
                : Scale.linear(Math.min(0, low), high * 1.05));
        frame.verticalAxis(vertical);
        frame.horizontalAxis(horizontal);
        List<Legend.Key> keys = new ArrayList<>();
        drawn.forEach(line -> keys.add(Legend.Key.of(line.name, line.style, line.joined)));
        if (Double.isFinite(level)) {
            frame.level(level);
            keys.add(Legend.Key.level(levelName));
        }
        drawn.forEach(line -> draw(frame, line));
        frame.title(title, keys);
    }

    static void draw(Frame frame, Line line) {
        double[] x = Arrays.stream(line.x).map(frame::x).toArray();
        double[] y = Arrays.stream(line.y).map(value -> Math.clamp(value, frame.vertical().low(), frame.vertical()
                .high())).map(frame::y).toArray();
        if (line.joined) {
            frame.canvas().polyline(x, y, line.style.stroke());
        }
        int stride = line.joined ? Math.max(1, x.length / MOST_MARKERS * 4) : 1;
        for (int i = 0; i < x.length; i += stride) {
            frame.canvas().marker(line.style.marker, x[i], y[i], line.style.colour);
        }
    }
}
