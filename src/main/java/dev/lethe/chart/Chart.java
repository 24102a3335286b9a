package dev.lethe.chart;

import dev.lethe.chart.Pictures.SvgCanvas;

/** A picture with a name, drawn on any canvas. Colours tell series apart, and so do dashes, markers and fills. */
public interface Chart {
    int WIDTH = 720;
    int HEIGHT = 340;

    /** File name without ending, letters and dashes. */
    String name();

    String title();

    void draw(Canvas canvas);

    default int width() {
        return WIDTH;
    }

    default int height() {
        return HEIGHT;
    }

    default String svg() {
        SvgCanvas canvas = new SvgCanvas(width(), height(), title());
        draw(canvas);
        return canvas.finish();
    }
}
