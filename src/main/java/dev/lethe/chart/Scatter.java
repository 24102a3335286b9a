package dev.lethe.chart;

import dev.lethe.chart.Canvas.Anchor;
import dev.lethe.chart.Canvas.Marker;
import dev.lethe.chart.Canvas.Stroke;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.DoubleStream;

/**
 * Two measures of many things against each other. Points carry numbers that a list beside the plot explains; whiskers
 * are intervals, cut at the plot's edge, and left out where points are many; a line joins the points that none is
 * better than in both measures.
 */
public record Scatter(String name, String title, Axis horizontal, Axis vertical, List<Dot> dots) implements Chart {
    private static final double TOP = 40;
    private static final double LIST_ROW = 16;
    private static final double PLOT_RIGHT = 590;
    private static final double LOWEST = 600;
    private static final int COLUMNS = 3;
    /** With more points than these, whiskers would cover them. */
    static final int MOST_BESIDE = 34;
    private static final Stroke FRONTIER = new Stroke("#888888", 1.2, 6, 4);

    /**
     * @param better 1 where more is better, -1 where less is
     * @param level  a value to mark, NaN = none
     */
    public record Axis(String label, boolean log, int better, double level) {}

    /** @param low  NaN without an interval, then {@code high} too */
    public record Value(double mean, double low, double high) {}

    /** @param reference whether it is what the others are measured against: outside the frontier */
    public record Dot(String name, Style style, Marker marker, boolean reference, Value x, Value y) {}

    /** As many looks as can be told apart: colours without those of the references, then again with other markers. */
    private static final List<Style> COLOURS = List.of(Style.BLUE, Style.ORANGE, Style.GREEN, Style.PURPLE, Style.SKY,
            Style.AMBER);
    private static final List<Marker> AGAIN = List.of(Marker.BOX, Marker.KITE, Marker.CROSS, Marker.RING, Marker.SQUARE,
            Marker.TRIANGLE);

    /** @param kind its place among the kinds of points, such as strategies */
    public static Dot dot(String name, int kind, Value x, Value y) {
        Style style = COLOURS.get(kind % COLOURS.size());
        Marker marker = kind / COLOURS.size() % 2 == 0 ? style.marker : AGAIN.get(kind % COLOURS.size());
        return new Dot(name, style, marker, false, x, y);
    }

    /** @param learned whether it is the model that learned everything: grey, else black */
    public static Dot reference(String name, boolean learned, Value x, Value y) {
        return new Dot(name, learned ? Style.GREY : Style.BLACK, Marker.STAR, true, x, y);
    }

    private record Box(double left, double top, double right, double bottom) {
        boolean meets(Box other) {
            return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
        }
    }

    @Override
    public int width() {
        return 960;
    }

    @Override
    public int height() {
        return (int) (beside() ? Math.max(430, TOP + (dots.size() + 2) * LIST_ROW + 20)
                : LOWEST + 64 + (perColumn() + 1) * LIST_ROW);
    }

    /** Whether the list fits at the right; else it stands below, in columns. */
    private boolean beside() {
        return dots.size() <= MOST_BESIDE;
    }

    private int perColumn() {
        return beside() ? dots.size() + 1 : (dots.size() + COLUMNS) / COLUMNS;
    }

    @Override
    public void draw(Canvas canvas) {
        canvas.text(12, 18, title, 14, Anchor.START, false);
        Frame frame = new Frame(canvas, scale(horizontal, dots.stream().map(Dot::x).toList()),
                scale(vertical, dots.stream().map(Dot::y).toList()), 74, TOP, beside() ? PLOT_RIGHT : width() - 16,
                beside() ? height() - 50 : LOWEST);
        frame.verticalAxis(vertical.label);
        frame.uprightGrid();
        frame.horizontalAxis(horizontal.label);
        frame.level(vertical.level);
        frame.uprightLevel(horizontal.level);
        frontier(frame);
        if (beside()) {
            dots.forEach(dot -> whiskers(frame, dot));
        }
        dots.forEach(dot -> canvas.marker(dot.marker, x(frame, dot), y(frame, dot), 4, dot.style.colour));
        numbers(frame);
        list(canvas);
    }

    private void list(Canvas canvas) {
        double columnWidth = beside() ? width() - PLOT_RIGHT - 14 : (width() - 28.0) / COLUMNS;
        for (int i = 0; i <= dots.size(); i++) {
            double x = (beside() ? PLOT_RIGHT + 14 : 14) + i / perColumn() * columnWidth;
            double y = (beside() ? TOP + 6 : LOWEST + 66) + i % perColumn() * LIST_ROW;
            if (i == dots.size()) {
                canvas.line(x, y, x + 32, y, FRONTIER);
                canvas.text(x + 48, y + 4, "none is better in both", 11, Anchor.START, false);
                continue;
            }
            canvas.marker(dots.get(i).marker, x + 12, y, 4, dots.get(i).style.colour);
            canvas.text(x + 42, y + 4, String.valueOf(i + 1), 11, Anchor.END, false);
            canvas.text(x + 48, y + 4, Canvas.fit(dots.get(i).name, 11, columnWidth - 50), 11, Anchor.START, false);
        }
    }

    private void frontier(Frame frame) {
        List<Dot> best = dots.stream().filter(dot -> !dot.reference && dots.stream().noneMatch(other -> !other.reference
                && beats(other, dot))).sorted(Comparator.comparingDouble(dot -> dot.x.mean)).toList();
        frame.canvas().polyline(best.stream().mapToDouble(dot -> x(frame, dot)).toArray(),
                best.stream().mapToDouble(dot -> y(frame, dot)).toArray(), FRONTIER);
    }

    private boolean beats(Dot one, Dot other) {
        double x = horizontal.better * (one.x.mean - other.x.mean);
        double y = vertical.better * (one.y.mean - other.y.mean);
        return x >= 0 && y >= 0 && (x > 0 || y > 0);
    }

    private static void whiskers(Frame frame, Dot dot) {
        Stroke stroke = new Stroke(pale(dot.style.colour), 0.9);
        if (Double.isFinite(dot.x.low)) {
            frame.canvas().line(frame.x(clamp(frame.horizontal(), dot.x.low)), y(frame, dot),
                    frame.x(clamp(frame.horizontal(), dot.x.high)), y(frame, dot), stroke);
        }
        if (Double.isFinite(dot.y.low)) {
            frame.canvas().line(x(frame, dot), frame.y(clamp(frame.vertical(), dot.y.low)), x(frame, dot),
                    frame.y(clamp(frame.vertical(), dot.y.high)), stroke);
        }
    }

    /** Half way to white, so that many whiskers do not cover the points. */
    private static String pale(String colour) {
        int rgb = Integer.decode(colour);
        return String.format(Locale.ROOT, "#%02x%02x%02x", (rgb >> 16 & 255) / 2 + 127, (rgb >> 8 & 255) / 2 + 127,
                (rgb & 255) / 2 + 127);
    }

    /** Each number stands where it meets neither another number nor a point, as near to its own as there is room. */
    private void numbers(Frame frame) {
        List<Box> taken = new ArrayList<>(dots.stream().map(dot -> new Box(x(frame, dot) - 5, y(frame, dot) - 5,
                x(frame, dot) + 5, y(frame, dot) + 5)).toList());
        for (int i = 0; i < dots.size(); i++) {
            String text = String.valueOf(i + 1);
            double half = Canvas.widthOf(text, 10) / 2 + 1;
            Box place = null;
            for (int ring = 0; ring < 4 && place == null; ring++) {
                for (int turn = 0; turn < 8 && place == null; turn++) {
                    double angle = Math.PI * (turn - 1) / 4;
                    double x = x(frame, dots.get(i)) + (11 + 8 * ring) * Math.cos(angle);
                    double y = y(frame, dots.get(i)) + (11 + 8 * ring) * Math.sin(angle);
                    Box tried = new Box(x - half, y - 5, x + half, y + 5);
                    if (x - half > frame.left() && x + half < frame.right() && y - 5 > frame.top() && y
                            + 5 < frame.bottom() && taken.stream().noneMatch(tried::meets)) {
                        place = tried;
                    }
                }
            }
            if (place != null) {
                taken.add(place);
                frame.canvas().text((place.left + place.right) / 2, place.bottom - 1.5, text, 10, Anchor.MIDDLE, false);
            }
        }
    }

    private static Scale scale(Axis axis, List<Value> values) {
        double[] means = DoubleStream.concat(values.stream().mapToDouble(Value::mean), DoubleStream.of(axis.level)
                .filter(Double::isFinite)).toArray();
        return Scale.around(means, axis.log, Double.NaN);
    }

    private static double x(Frame frame, Dot dot) {
        return frame.x(dot.x.mean);
    }

    private static double y(Frame frame, Dot dot) {
        return frame.y(dot.y.mean);
    }

    private static double clamp(Scale scale, double value) {
        return Math.clamp(value, scale.low(), scale.high());
    }
}
