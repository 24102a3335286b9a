package dev.lethe.report;

/**
 * What a chart draws on: a surface in pixels, origin at the top left. One implementation writes SVG, the other an
 * image, so that page and PNG show the same picture.
 */
interface Canvas {
    /** Where a text's position lies in it. */
    enum Anchor { START, MIDDLE, END }

    /** Shapes that differ without colour. */
    enum Marker { CIRCLE, SQUARE, TRIANGLE, CROSS }

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

    void marker(Marker marker, double x, double y, String colour);

    /** @param upright read from bottom to top */
    void text(double x, double y, String text, double size, Anchor anchor, boolean upright);

    default void line(double x1, double y1, double x2, double y2, Stroke stroke) {
        polyline(new double[] {x1, x2}, new double[] {y1, y2}, stroke);
    }
}
