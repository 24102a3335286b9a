package dev.lethe.chart;

import dev.lethe.chart.Canvas.Marker;
import dev.lethe.chart.Canvas.Stroke;

/**
 * Okabe and Ito's colours, which the colour-blind tell apart, each with its own dash and marker for black and white.
 * Their yellow is left out: it cannot be seen on white.
 */
public enum Style {
    BLUE("#0072b2", Marker.CIRCLE),
    ORANGE("#d55e00", Marker.SQUARE, 8, 3),
    GREEN("#009e73", Marker.TRIANGLE, 2, 3),
    PURPLE("#cc79a7", Marker.DIAMOND, 10, 3, 2, 3),
    SKY("#56b4e9", Marker.WEDGE, 5, 2),
    AMBER("#e69f00", Marker.RING, 14, 4),
    BLACK("#000000", Marker.KITE, 4, 3, 1, 3),
    GREY("#666666", Marker.CROSS, 1, 4);

    public final String colour;
    final Marker marker;
    final float[] dash;

    Style(String colour, Marker marker, float... dash) {
        this.colour = colour;
        this.marker = marker;
        this.dash = dash;
    }

    /** The style of a series by its place; after the last it starts over. */
    public static Style of(int index) {
        return values()[index % values().length];
    }

    /** As #rrggbb. */
    public String colour() {
        return colour;
    }

    Stroke stroke() {
        return new Stroke(colour, 1.8, dash);
    }
}
