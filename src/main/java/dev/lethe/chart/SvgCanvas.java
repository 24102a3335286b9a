package dev.lethe.chart;

import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Writes what is drawn as one inline SVG element, named for people who cannot see it. */
public final class SvgCanvas implements Canvas {
    private final StringBuilder svg = new StringBuilder();

    SvgCanvas(int width, int height, String title) {
        svg.append(format("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' role='img' aria-label='%s' "
                + "font-family='system-ui, sans-serif' fill='none'>\n", width, height, escape(title)));
    }

    @Override
    public void polyline(double[] x, double[] y, Stroke stroke) {
        if (x.length < 2) {
            return;
        }
        svg.append(format("<polyline points='%s' %s/>\n", points(x, y), look(stroke)));
    }

    @Override
    public void rectangle(double x, double y, double width, double height, String fill, Stroke stroke) {
        svg.append(format("<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s' %s/>\n", x, y, width, height,
                fill == null ? "none" : fill, look(stroke)));
    }

    @Override
    public void polygon(double[] x, double[] y, String fill, Stroke stroke) {
        svg.append(format("<polygon points='%s' fill='%s' %s/>\n", points(x, y),
                fill == null ? "none" : fill, look(stroke)));
    }

    private static String points(double[] x, double[] y) {
        return IntStream.range(0, x.length).mapToObj(i -> format("%.1f,%.1f ", x[i], y[i]))
                .collect(Collectors.joining());
    }

    @Override
    public void circle(double x, double y, double radius, String fill, Stroke stroke) {
        svg.append(format("<circle cx='%.1f' cy='%.1f' r='%.1f' fill='%s' %s/>\n", x, y, radius,
                fill == null ? "none" : fill, look(stroke)));
    }

    @Override
    public void text(double x, double y, String text, double size, Anchor anchor, boolean upright,
                     String colour) {
        svg.append(format("<text x='%.1f' y='%.1f' font-size='%.0f' fill='%s' text-anchor='%s'%s>%s</text>\n", x, y,
                size, colour, anchor.name().toLowerCase(Locale.ROOT), upright ? format(" transform='rotate(-90 %.1f %.1f)'", x, y) : "",
                escape(text)));
    }

    /** The element; nothing can be drawn after it. */
    String finish() {
        return svg.append("</svg>\n").toString();
    }

    private static String look(Stroke stroke) {
        if (stroke == null) {
            return "";
        }
        StringBuilder dash = new StringBuilder();
        for (float length : stroke.dash()) {
            dash.append(dash.isEmpty() ? "" : " ").append(format("%.0f", length));
        }
        return format("stroke='%s' stroke-width='%.1f'%s", stroke.colour(), stroke.width(),
                dash.isEmpty() ? "" : " stroke-dasharray='" + dash + "'");
    }

    /** Text made safe inside an element or a quoted attribute; what XML cannot hold becomes a replacement character. */
    public static String escape(String text) {
        return text.replaceAll("[\\p{Cntrl}&&[^\\t\\n\\r]]", "\ufffd").replace("&", "&amp;").replace("<", "&lt;")
                .replace(">", "&gt;").replace("\"", "&quot;").replace("'", "&#39;");
    }

    private static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
