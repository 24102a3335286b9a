package dev.lethe.chart;

/**
 * What a chart draws on: a surface in pixels, origin at the top left. One implementation writes SVG, the other an
 * image, so that page and PNG show the same picture.
 */
public interface Canvas {
    /** What is written when nothing else is asked for. */
    String INK = "#222222";

    /** Where a text's position lies in it. */
    enum Anchor { START, MIDDLE, END }

    /** Shapes that differ without colour. A ring, a box and a kite are hollow. */
    enum Marker { CIRCLE, SQUARE, TRIANGLE, CROSS, DIAMOND, WEDGE, RING, BOX, KITE, STAR }

    /**
     * How a line looks.
     *
     * @param colour as #rrggbb
     * @param dash lengths of dash and gap in turn; empty = solid
     */
    record Stroke(String colour, double width, float... dash) {}

    /** A line through points; fewer than two draw nothing. */
    void polyline(double[] x, double[] y, Stroke stroke);

    /** @param fill as #rrggbb, null = hollow */
    void rectangle(double x, double y, double width, double height, String fill, Stroke stroke);

    /** @param fill as #rrggbb, null = hollow */
    void polygon(double[] x, double[] y, String fill, Stroke stroke);

    void circle(double x, double y, double radius, String fill, Stroke stroke);

    /** @param upright read from bottom to top */
    void text(double x, double y, String text, double size, Anchor anchor, boolean upright, String colour);

    default void text(double x, double y, String text, double size, Anchor anchor, boolean upright) {
        text(x, y, text, size, anchor, upright, INK);
    }

    default void line(double x1, double y1, double x2, double y2, Stroke stroke) {
        polyline(new double[] {x1, x2}, new double[] {y1, y2}, stroke);
    }

    default void marker(Marker marker, double x, double y, String colour) {
        marker(marker, x, y, 3, colour);
    }

    /** @param size half of its width, about */
    default void marker(Marker marker, double x, double y, double size, String colour) {
        Stroke outline = new Stroke(colour, 1.4);
        switch (marker) {
            case CIRCLE -> circle(x, y, size, colour, null);
            case RING -> circle(x, y, size, "#ffffff", outline);
            case SQUARE -> rectangle(x - size, y - size, 2 * size, 2 * size, colour, null);
            case BOX -> rectangle(x - size, y - size, 2 * size, 2 * size, "#ffffff", outline);
            case TRIANGLE -> polygon(new double[] {x, x + 1.3 * size, x - 1.3 * size},
                    new double[] {y - 1.3 * size, y + size, y + size}, colour, null);
            case WEDGE -> polygon(new double[] {x, x + 1.3 * size, x - 1.3 * size},
                    new double[] {y + 1.3 * size, y - size, y - size}, colour, null);
            case DIAMOND, KITE -> polygon(new double[] {x, x + 1.4 * size, x, x - 1.4 * size},
                    new double[] {y - 1.4 * size, y, y + 1.4 * size, y}, marker == Marker.KITE ? "#ffffff" : colour,
                    marker == Marker.KITE ? outline : null);
            case CROSS -> {
                line(x - size, y - size, x + size, y + size, outline);
                line(x - size, y + size, x + size, y - size, outline);
            }
            case STAR -> star(x, y, 2 * size, colour);
        }
    }

    private void star(double x, double y, double radius, String colour) {
        double[] px = new double[10];
        double[] py = new double[10];
        for (int i = 0; i < 10; i++) {
            double r = i % 2 == 0 ? radius : radius * 0.42;
            px[i] = x + r * Math.sin(i * Math.PI / 5);
            py[i] = y - r * Math.cos(i * Math.PI / 5);
        }
        polygon(px, py, colour, null);
    }

    /** Width of a text, about: enough room in the fonts that a browser or Java may choose. */
    static double widthOf(String text, double size) {
        return 0.58 * size * text.length();
    }

    /** The text, or its beginning when it does not fit. */
    static String fit(String text, double size, double width) {
        int most = (int) (width / (0.58 * size));
        return text.length() <= most ? text : text.substring(0, Math.max(1, most - 1)).stripTrailing() + "…";
    }
}
