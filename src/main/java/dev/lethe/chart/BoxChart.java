package dev.lethe.chart;

import dev.lethe.chart.Canvas.Anchor;
import dev.lethe.chart.Canvas.Stroke;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;

/**
 * Distributions side by side: a box from the first to the third quartile with the median, whiskers from the 5th to the
 * 95th percentile; the axis is linear, or signed logarithmic for values of many sizes. Before is hollow and after is
 * filled, so that black and white tells them apart.
 */
public record BoxChart(String name, String title, String horizontal, String vertical, boolean linear,
        List<Group> groups) implements Chart {
    /** One place on the axis with up to four boxes. */
    public record Group(String name, List<Box> boxes) {}

    /** @param filled whether the inside is coloured: the state after */
    public record Box(String name, String colour, boolean filled, double[] values) {
        double at(double share) {
            double[] sorted = Arrays.stream(values).sorted().toArray();
            double place = share * (sorted.length - 1);
            int below = (int) place;
            int above = Math.min(below + 1, sorted.length - 1);
            return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
        }
    }

    @Override
    public void draw(Canvas canvas) {
        double[] ends = groups.stream().flatMap(group -> group.boxes.stream())
                .flatMapToDouble(box -> DoubleStream.of(box.at(0.05), box.at(0.95))).toArray();
        double largest = Arrays.stream(ends).map(Math::abs).max().orElse(1);
        double threshold = Math.max(largest * 1e-3, Double.MIN_NORMAL * 1e6);
        double low = Math.min(0, Arrays.stream(ends).min().orElse(0));
        double high = Math.max(0, Arrays.stream(ends).max().orElse(1));
        double margin = (high - low) * 0.06;
        Frame frame = new Frame(canvas, Scale.linear(0, groups.size()), linear
                ? Scale.linear(low - margin, high + margin) : Scale.signedLog(low * 2, high * 2, threshold));
        frame.verticalAxis(vertical);
        frame.baseline(horizontal);
        for (int g = 0; g < groups.size(); g++) {
            Group group = groups.get(g);
            double step = 0.8 / group.boxes.size();
            double pixels = Math.min(26, 0.7 * step * frame.width() / groups.size());
            for (int b = 0; b < group.boxes.size(); b++) {
                box(frame, group.boxes.get(b), frame.x(g + 0.1 + (b + 0.5) * step), pixels);
            }
            canvas.text(frame.x(g + 0.5), frame.bottom() + 17, group.name, 11, Anchor.MIDDLE, false);
        }
        frame.title(title, groups.getFirst().boxes.stream()
                .map(box -> new Legend.Key(box.name, box.colour, null, null, box.filled ? box.colour : "#ffffff"))
                .toList());
    }

    private static void box(Frame frame, Box box, double x, double width) {
        Stroke stroke = new Stroke(box.colour, 1.5);
        double top = frame.y(box.at(0.75));
        double bottom = frame.y(box.at(0.25));
        frame.canvas().line(x, frame.y(box.at(0.95)), x, top, stroke);
        frame.canvas().line(x, bottom, x, frame.y(box.at(0.05)), stroke);
        frame.canvas().rectangle(x - width / 2, top, width, Math.max(bottom - top, 1), box.filled ? box.colour
                : "#ffffff", stroke);
        double median = frame.y(box.at(0.5));
        if (!box.filled || bottom - top > 5) { // in a thin filled box the median would hide the filling
            frame.canvas().line(x - width / 2, median, x + width / 2, median,
                    new Stroke(box.filled ? "#ffffff" : box.colour, 2));
        }
    }
}
