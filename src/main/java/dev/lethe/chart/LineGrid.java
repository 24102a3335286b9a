package dev.lethe.chart;

import dev.lethe.chart.Canvas.Anchor;
import dev.lethe.chart.LineChart.Line;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;

/**
 * Small panels of curves, three in a row, under one legend. Lines of one name are one entry of the legend: a line a
 * seed.
 *
 * @param horizontal what is counted from left to right
 * @param log    whether vertical axes are logarithmic, where every value is above 0
 * @param from   vertical axes that are not logarithmic start here at the latest; NaN = where the values do
 * @param shared whether all panels have the same vertical axis, so that heights compare between panels
 */
public record LineGrid(String name, String title, String horizontal, boolean log, double from, boolean shared,
                       String levelName, List<Panel> panels) implements Chart {
    private static final double PANEL_HEIGHT = 230;

    /** @param level a height to compare with, NaN = none */
    public record Panel(String title, String vertical, List<Line> lines, double level) {
        public Panel {
            lines = lines.stream().map(Line::finite).filter(line -> line.x().length > 0).toList();
        }
    }

    /** Panels without a point are left out. */
    public LineGrid {
        panels = panels.stream().filter(panel -> !panel.lines.isEmpty()).toList();
    }

    public boolean isEmpty() {
        return panels.isEmpty();
    }

    @Override
    public int width() {
        return panels.size() == 1 ? 640 : 960;
    }

    @Override
    public int height() {
        return (int) (top() + (panels.size() + columns() - 1) / columns() * PANEL_HEIGHT + 4);
    }

    @Override
    public void draw(Canvas canvas) {
        canvas.text(12, 18, title, 14, Anchor.START, false);
        Legend.draw(canvas, 12, 40, width() - 24, keys());
        double each = (width() - 8.0) / columns();
        for (int p = 0; p < panels.size(); p++) {
            Panel panel = panels.get(p);
            double left = p % columns() * each;
            double top = top() + p / columns() * PANEL_HEIGHT;
            Frame frame = new Frame(canvas, horizontalScale(panel), Scale.around(shared ? panels.stream()
                    .flatMapToDouble(LineGrid::heights).toArray() : heights(panel).toArray(), log, from), left + 72,
                    top + 22, left + each - 10, top + PANEL_HEIGHT - 48);
            frame.verticalAxis(panel.vertical);
            frame.horizontalAxis(horizontal, true);
            frame.level(panel.level);
            panel.lines.forEach(line -> LineChart.draw(frame, line));
            canvas.text(left + 72, top + 14, Canvas.fit(panel.title, 12, each - 76), 12, Anchor.START, false);
        }
    }

    private static Scale horizontalScale(Panel panel) {
        double[] x = panel.lines.stream().flatMapToDouble(line -> Arrays.stream(line.x())).sorted().toArray();
        return Scale.linear(x[0], x[x.length - 1]);
    }

    private static DoubleStream heights(Panel panel) {
        return DoubleStream.concat(DoubleStream.of(panel.level),
                panel.lines.stream().flatMapToDouble(line -> Arrays.stream(line.y())));
    }

    private List<Legend.Key> keys() {
        Map<String, Legend.Key> keys = new LinkedHashMap<>();
        panels.stream().flatMap(panel -> panel.lines.stream())
                .forEach(line -> keys.putIfAbsent(line.name(), Legend.Key.of(line.name(), line.style(),
                line.joined())));
        if (panels.stream().anyMatch(panel -> Double.isFinite(panel.level))) {
            keys.putIfAbsent(levelName, Legend.Key.level(levelName));
        }
        return new ArrayList<>(keys.values());
    }

    private int columns() {
        return Math.clamp(panels.size(), 1, 3);
    }

    private double top() {
        return 34 + Legend.rows(width() - 24, keys()) * Legend.ROW;
    }
}
