package dev.lethe.chart;

import dev.lethe.chart.Canvas.Anchor;
import dev.lethe.chart.Canvas.Stroke;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/**
 * Things with long names under each other, and one or more panels of what was measured of them: points with intervals,
 * or boxes from the first to the third quartile with whiskers to the 5th and 95th percentile. A whisker that reaches a
 * panel's edge goes on beyond it.
 *
 * @param rows names, from the top
 */
public record RowChart(String name, String title, List<String> rows, List<Panel> panels) implements Chart {
    private static final double GAP = 26;
    private static final double MOST_NAME = 330;
    /** How far intervals may widen an axis, as a share of its values' range, lest the interval of two seeds fill it. */
    private static final double BEYOND = 0.15;
    private static final Stroke WHISKER_END = new Stroke("#444444", 1);

    /** How a panel's axis runs. */
    public enum Axis { LINEAR, LOG, SIGNED_LOG }

    /** @param level a value to compare with, NaN = none */
    public record Panel(String label, Axis axis, double level, String levelName, List<Series> series) {}

    /** @param marks one a row, null = nothing */
    public record Series(String name, Style style, List<? extends Mark> marks) {}

    /** What stands in a row. */
    public sealed interface Mark {}

    /** @param low NaN = without an interval, then {@code high} too */
    public record Point(double value, double low, double high) implements Mark {}

    /** @param filled whether the inside is coloured: the state after */
    public record Spread(double[] values, boolean filled) implements Mark {
        double at(double share) {
            return new BoxChart.Box("", "", false, values).at(share);
        }
    }

    @Override
    public int width() {
        return 960;
    }

    @Override
    public int height() {
        return (int) (top() + rows.size() * rowHeight() + 50);
    }

    @Override
    public void draw(Canvas canvas) {
        canvas.text(12, 18, title, 14, Anchor.START, false);
        Legend.draw(canvas, 12, 38, width() - 24, keys());
        double left = nameWidth() + 20;
        double each = (width() - 18 - left - GAP * (panels.size() - 1)) / panels.size();
        double bottom = top() + rows.size() * rowHeight();
        for (int row = 0; row < rows.size(); row += 2) {
            canvas.rectangle(12, top() + row * rowHeight(), width() - 24, rowHeight(), "#f4f4f4", null);
        }
        for (int row = 0; row < rows.size(); row++) {
            canvas.text(left - 8, top() + (row + 0.5) * rowHeight() + 4, Canvas.fit(rows.get(row), 11, MOST_NAME), 11,
                    Anchor.END, false);
        }
        for (int p = 0; p < panels.size(); p++) {
            double from = left + p * (each + GAP);
            draw(new Frame(canvas, scale(panels.get(p)), Scale.linear(0, 1), from, top(), from + each, bottom),
                    panels.get(p));
        }
    }

    private void draw(Frame frame, Panel panel) {
        frame.uprightGrid();
        frame.horizontalAxis(panel.label);
        frame.uprightLevel(panel.level);
        int count = panel.series.size();
        double step = Math.min(11, (rowHeight() - 4) / count);
        for (int s = 0; s < count; s++) {
            Series series = panel.series.get(s);
            for (int row = 0; row < rows.size(); row++) {
                double y = frame.top() + (row + 0.5) * rowHeight() + (s - (count - 1) / 2.0) * step;
                switch (series.marks.get(row)) {
                    case Point point -> point(frame, series.style, point, y);
                    case Spread spread -> box(frame, series.style, spread, y, step - 2);
                    case null -> { }
                }
            }
        }
    }

    private static void point(Frame frame, Style style, Point point, double y) {
        Stroke stroke = new Stroke(style.colour, 1.3);
        double x = clamped(frame, point.value);
        if (Double.isFinite(point.low)) {
            double low = clamped(frame, point.low);
            double high = clamped(frame, point.high);
            frame.canvas().line(low, y, high, y, stroke);
            for (double end : new double[] {point.low, point.high}) {
                if (inside(frame, end)) {
                    frame.canvas().line(frame.x(end), y - 3, frame.x(end), y + 3, WHISKER_END);
                }
            }
        }
        frame.canvas().marker(style.marker, x, y, style.colour);
    }

    private static void box(Frame frame, Style style, Spread spread, double y, double height) {
        Stroke stroke = new Stroke(style.colour, 1.3);
        double left = frame.x(spread.at(0.25));
        double right = frame.x(spread.at(0.75));
        frame.canvas().line(frame.x(spread.at(0.05)), y, left, y, stroke);
        frame.canvas().line(right, y, frame.x(spread.at(0.95)), y, stroke);
        frame.canvas().rectangle(left, y - height / 2, Math.max(1, right - left), height,
                spread.filled ? style.colour : "#ffffff", stroke);
        double median = frame.x(spread.at(0.5));
        frame.canvas().line(median, y - height / 2, median, y + height / 2,
                new Stroke(spread.filled && right - left > 5 ? "#ffffff" : style.colour, 2));
    }

    private static boolean inside(Frame frame, double value) {
        return value >= frame.horizontal().low() && value <= frame.horizontal().high();
    }

    private static double clamped(Frame frame, double value) {
        return frame.x(Math.clamp(value, frame.horizontal().low(), frame.horizontal().high()));
    }

    private static Scale scale(Panel panel) {
        List<Mark> marks = panel.series.stream().flatMap(series -> series.marks.stream()).filter(Objects::nonNull)
                .map(Mark.class::cast).toList();
        double[] values = DoubleStream.concat(DoubleStream.of(panel.level), marks.stream()
                .flatMapToDouble(mark -> switch (mark) {
            case Point point -> DoubleStream.of(point.value);
            case Spread spread -> DoubleStream.of(spread.at(0.05), spread.at(0.95));
        })).filter(Double::isFinite).toArray();
        if (panel.axis == Axis.SIGNED_LOG) {
            double largest = Arrays.stream(values).map(Math::abs).max().orElse(1);
            double low = Math.min(0, Arrays.stream(values).min().orElse(0));
            double high = Math.max(0, Arrays.stream(values).max().orElse(0));
            return Scale.signedLog(low * 1.5, high * 1.5, Math.max(largest * 1e-3, Double.MIN_NORMAL * 1e6));
        }
        double low = Arrays.stream(values).min().orElse(0);
        double high = Arrays.stream(values).max().orElse(1);
        boolean log = panel.axis == Axis.LOG && low > 0;
        double room = log ? Math.pow(high / low, BEYOND) * 1.05 : Math.max(BEYOND * (high - low), 1e-9);
        double from = log ? low / room : low - room;
        double to = log ? high * room : high + room;
        DoubleStream ends = marks.stream().filter(Point.class::isInstance).map(Point.class::cast)
                .flatMapToDouble(point -> DoubleStream.of(point.low, point.high)).filter(Double::isFinite)
                .map(end -> Math.clamp(end, from, to));
        return Scale.around(DoubleStream.concat(Arrays.stream(values), ends).toArray(), log, low >= 0 ? 0 : Double.NaN);
    }

    private List<Legend.Key> keys() {
        Map<String, Legend.Key> keys = new LinkedHashMap<>();
        for (Panel panel : panels) {
            for (Series series : panel.series) {
                Mark first = series.marks.stream().filter(Objects::nonNull).findFirst().orElse(null);
                if (first instanceof Spread spread) {
                    keys.putIfAbsent(series.name, new Legend.Key(series.name, series.style.colour, null, null,
                            spread.filled ? series.style.colour : "#ffffff"));
                } else if (first != null) {
                    keys.putIfAbsent(series.name, Legend.Key.of(series.name, series.style, false));
                }
            }
        }
        panels.stream().filter(panel -> Double.isFinite(panel.level)).forEach(panel -> keys.putIfAbsent(panel.levelName,
                Legend.Key.level(panel.levelName)));
        return new ArrayList<>(keys.values());
    }

    private double nameWidth() {
        return Math.min(MOST_NAME, rows.stream().mapToDouble(row -> Canvas.widthOf(row, 11)).max().orElse(0));
    }

    private double top() {
        return 36 + Legend.rows(width() - 24, keys()) * Legend.ROW;
    }

    private double rowHeight() {
        int most = panels.stream().mapToInt(panel -> panel.series.size()).max().orElse(1);
        boolean boxes = panels.stream().flatMap(panel -> panel.series.stream())
                .flatMap(series -> (Stream<?>) series.marks.stream()).anyMatch(Spread.class::isInstance);
        return Math.max(19, (boxes ? 10 : 7) * most + 8);
    }
}
