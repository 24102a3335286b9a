package dev.lethe.chart;

import dev.lethe.chart.Canvas.Anchor;
import dev.lethe.chart.Canvas.Stroke;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Numbers over two choices, darker the larger they are; every cell shows its number, so that black and white suffices.
 *
 * @param rowAxis    what the rows are
 * @param columnAxis what the columns are
 */
public record HeatMap(String name, String title, String rowAxis, String columnAxis, List<String> rows,
        List<String> columns, List<Panel> panels) implements Chart {
    private static final double CELL_WIDTH = 62;
    private static final double CELL_HEIGHT = 26;
    private static final double MOST_NAME = 330;
    /** Of a scale with its two numbers and what they say of themselves. */
    private static final double MOST_SCALE = 230;
    private static final Stroke EDGE = new Stroke("#ffffff", 1);
    /** Dark blue below 0, dark orange above; the numbers' signs say which in black and white. */
    private static final int[] BELOW = {0x05, 0x4a, 0x80};
    private static final int[] ABOVE = {0xa6, 0x45, 0x00};

    /**
     * What colour tells: the sign and the size; the size among the numbers, by its logarithm where they span
     * magnitudes; a share.
     */
    public enum Shades { SIGN, SIZE, SHARE }

    /**
     * @param label    what the numbers are, with their unit
     * @param shades   what colour tells
     * @param values   [row][column], NaN = not measured
     * @param below    a smaller line under each number, such as an interval; null or empty = none
     */
    public record Panel(String label, Shades shades, double[][] values, String[][] below) {
        boolean isLog() {
            double[] all = finite();
            return shades == Shades.SIZE && all.length > 0 && all[0] > 0 && all[all.length - 1] > 8 * all[0];
        }

        boolean diverges() {
            return shades == Shades.SIGN;
        }

        double[] finite() {
            return Arrays.stream(values).flatMapToDouble(Arrays::stream).filter(Double::isFinite).sorted().toArray();
        }
    }

    @Override
    public int width() {
        return (int) Math.max(560, gutter() + (sideBySide() ? panels.size() : 1) * panelWidth() + 16);
    }

    @Override
    public int height() {
        return (int) (30 + (sideBySide() ? 1 : panels.size()) * panelHeight());
    }

    @Override
    public void draw(Canvas canvas) {
        canvas.text(12, 18, title, 14, Anchor.START, false);
        for (int p = 0; p < panels.size(); p++) {
            double left = gutter() + (sideBySide() ? p * panelWidth() : 0);
            double top = 30 + (sideBySide() ? 0 : p * panelHeight());
            draw(canvas, panels.get(p), left, top, p == 0 || !sideBySide());
        }
    }

    private void draw(Canvas canvas, Panel panel, double left, double top, boolean names) {
        double cells = top + 40 + nameHeight();
        canvas.text(left, top + 14, panel.label, 12, Anchor.START, false);
        scale(canvas, panel, left, top + 20);
        for (int c = 0; c < columns.size(); c++) {
            double x = left + (c + 0.5) * CELL_WIDTH;
            if (upright()) {
                canvas.text(x + 4, cells - 5, Canvas.fit(columns.get(c), 11, 150), 11, Anchor.START, true);
            } else {
                canvas.text(x, cells - 5, columns.get(c), 11, Anchor.MIDDLE, false);
            }
        }
        for (int r = 0; r < rows.size(); r++) {
            double y = cells + r * CELL_HEIGHT;
            if (names) {
                canvas.text(left - 8, y + 17, Canvas.fit(rows.get(r), 11, MOST_NAME), 11, Anchor.END, false);
            }
            for (int c = 0; c < columns.size(); c++) {
                cell(canvas, panel, r, c, left + c * CELL_WIDTH, y);
            }
        }
        double bottom = cells + rows.size() * CELL_HEIGHT;
        canvas.text(left + columns.size() * CELL_WIDTH / 2, bottom + 17, columnAxis, 12, Anchor.MIDDLE, false);
        if (names) {
            canvas.text(left - 8, cells - 5, rowAxis, 12, Anchor.END, false);
        }
    }

    private static void cell(Canvas canvas, Panel panel, int r, int c, double x, double y) {
        double value = panel.values[r][c];
        if (!Double.isFinite(value)) {
            canvas.rectangle(x, y, CELL_WIDTH, CELL_HEIGHT, "#f2f2f2", EDGE);
            canvas.text(x + CELL_WIDTH / 2, y + 17, "–", 11, Anchor.MIDDLE, false, "#777777");
            return;
        }
        double share = share(panel, value);
        String ink = isDark(share) ? "#ffffff" : Canvas.INK;
        String small = panel.below == null || panel.below[r][c] == null ? "" : panel.below[r][c];
        canvas.rectangle(x, y, CELL_WIDTH, CELL_HEIGHT, colour(share), EDGE);
        canvas.text(x + CELL_WIDTH / 2, y + (small.isEmpty() ? 17 : 12), number(value, panel.diverges()), 11,
                Anchor.MIDDLE, false, ink);
        if (!small.isEmpty()) {
            canvas.text(x + CELL_WIDTH / 2, y + 22, small, 8, Anchor.MIDDLE, false, ink);
        }
    }

    /** From -1 to 1 where the panel diverges, else from 0. */
    private static double share(Panel panel, double value) {
        double[] all = panel.finite();
        double low = panel.shades == Shades.SHARE ? 0 : all[0];
        double high = panel.shades == Shades.SHARE ? Math.max(1, all[all.length - 1]) : all[all.length - 1];
        if (panel.isLog()) {
            return Math.log(value / low) / Math.log(high / low);
        }
        if (panel.diverges()) {
            double most = Math.max(Math.abs(low), Math.abs(high));
            return most == 0 ? 0 : value / most;
        }
        return high > low ? (value - low) / (high - low) : 0;
    }

    /** Whether white is read better on it than black: relative luminance (WCAG) below 0.2. */
    private static boolean isDark(double share) {
        double[] weights = {0.2126, 0.7152, 0.0722};
        int rgb = Integer.decode(colour(share));
        double luminance = 0;
        for (int i = 0; i < 3; i++) {
            luminance += weights[i] * Math.pow((rgb >> 16 - 8 * i & 255) / 255.0, 2.2);
        }
        return luminance < 0.2;
    }

    private static String colour(double share) {
        int[] dark = share < 0 ? BELOW : ABOVE;
        int[] mixed = new int[3];
        for (int i = 0; i < 3; i++) {
            mixed[i] = (int) Math.round(255 + Math.abs(share) * (dark[i] - 255));
        }
        return String.format(Locale.ROOT, "#%02x%02x%02x", mixed[0], mixed[1], mixed[2]);
    }

    private void scale(Canvas canvas, Panel panel, double left, double y) {
        double[] all = panel.finite();
        if (all.length == 0) {
            return;
        }
        double most = Math.max(Math.abs(all[0]), Math.abs(all[all.length - 1]));
        boolean part = panel.shades == Shades.SHARE;
        String low = number(panel.diverges() ? -most : part ? 0 : all[0], panel.diverges());
        double x = left + Canvas.widthOf(low, 10) + 6;
        canvas.text(left, y + 9, low, 10, Anchor.START, false);
        for (int i = 0; i <= 10; i++) {
            canvas.rectangle(x + 9 * i, y, 9, 10, colour(panel.diverges() ? i / 5.0 - 1 : i / 10.0), null);
        }
        canvas.rectangle(x, y, 99, 10, null, new Stroke("#999999", 0.6));
        double end = part ? Math.max(1, most) : panel.diverges() ? most : all[all.length - 1];
        canvas.text(x + 105, y + 9, number(end, panel.diverges()) + (panel.isLog() ? ", by logarithm" : ""), 10,
                Anchor.START, false);
    }

    private static String number(double value, boolean signed) {
        double size = Math.abs(value);
        String format = size >= 1e5 || (size < 1e-3 && size > 0) ? ".1e" : size >= 100 ? ".0f" : size >= 10 ? ".1f"
                : ".2f";
        return String.format(Locale.ROOT, "%" + (signed && value != 0 ? "+" : "") + format, value).replace('-', '−');
    }

    private boolean sideBySide() {
        return gutter() + panels.size() * panelWidth() + 16 <= 1040;
    }

    private boolean upright() {
        return columns.stream().anyMatch(column -> Canvas.widthOf(column, 11) > CELL_WIDTH - 4);
    }

    private double gutter() {
        return 20 + Math.min(MOST_NAME, Math.max(Canvas.widthOf(rowAxis, 12),
                rows.stream().mapToDouble(row -> Canvas.widthOf(row, 11)).max().orElse(0)));
    }

    private double nameHeight() {
        return upright() ? Math.min(150, columns.stream().mapToDouble(column -> Canvas.widthOf(column, 11)).max()
                .orElse(0)) + 10 : 16;
    }

    /** Of the cells or of the scale above them, with the room to the next panel. */
    private double panelWidth() {
        return Math.max(columns.size() * CELL_WIDTH, MOST_SCALE) + 24;
    }

    private double panelHeight() {
        return 40 + nameHeight() + rows.size() * CELL_HEIGHT + 34;
    }
}
