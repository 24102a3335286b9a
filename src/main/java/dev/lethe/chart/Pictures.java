package dev.lethe.chart;

import dev.lethe.base.PrivateFiles;
import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.Shape;
import java.awt.geom.AffineTransform;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;

/** Writes charts as files beside a page that holds them already. Each file appears whole. */
public final class Pictures {
    private static final System.Logger LOG = System.getLogger("dev.lethe.chart");

    private Pictures() {}

    /** One NAME.svg a chart. */
    public static void svg(List<Chart> charts, Path folder) throws IOException {
        for (Chart chart : charts) {
            PrivateFiles.write(folder.resolve(chart.name() + ".svg"), chart.svg());
        }
    }

    /** One NAME.png a chart; a machine without fonts for Java only misses these, and the log says what to install. */
    public static void png(List<Chart> charts, Path folder) throws IOException {
        List<byte[]> pictures = new ArrayList<>();
        try {
            for (Chart chart : charts) {
                pictures.add(png(chart));
            }
        } catch (RuntimeException | LinkageError | InternalError e) {
            LOG.log(System.Logger.Level.WARNING, "no PNGs in {0}: this machine has no fonts for Java ({1}); install "
                    + "fontconfig and a font, such as fonts-dejavu-core", folder, e.toString());
            return;
        }
        for (int i = 0; i < charts.size(); i++) {
            PrivateFiles.write(folder.resolve(charts.get(i).name() + ".png"), pictures.get(i));
        }
    }

    public static byte[] png(Chart chart) throws IOException {
        ImageCanvas canvas = new ImageCanvas(chart.width(), chart.height());
        chart.draw(canvas);
        BufferedImage image = canvas.finish();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(image, "png", bytes);
        return bytes.toByteArray();
    }

    /** Draws into an image at twice the size, on white, without a display. */
    static final class ImageCanvas implements Canvas {
        private static final int SCALE = 2;

        private final BufferedImage image;
        private final Graphics2D graphics;

        ImageCanvas(int width, int height) {
            image = new BufferedImage(width * SCALE, height * SCALE, BufferedImage.TYPE_INT_RGB);
            graphics = image.createGraphics();
            graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
            graphics.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
            graphics.scale(SCALE, SCALE);
            graphics.setColor(Color.WHITE);
            graphics.fillRect(0, 0, width, height);
        }

        @Override
        public void polyline(double[] x, double[] y, Stroke stroke) {
            if (x.length < 2) {
                return;
            }
            draw(path(x, y), stroke);
        }

        @Override
        public void rectangle(double x, double y, double width, double height, String fill, Stroke stroke) {
            shape(new Rectangle2D.Double(x, y, width, height), fill, stroke);
        }

        @Override
        public void polygon(double[] x, double[] y, String fill, Stroke stroke) {
            Path2D path = path(x, y);
            path.closePath();
            shape(path, fill, stroke);
        }

        @Override
        public void circle(double x, double y, double radius, String fill, Stroke stroke) {
            shape(new Ellipse2D.Double(x - radius, y - radius, 2 * radius, 2 * radius), fill, stroke);
        }

        @Override
        public void text(double x, double y, String text, double size, Anchor anchor, boolean upright,
                         String colour) {
            graphics.setColor(Color.decode(colour));
            graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 1).deriveFont((float) size));
            double width = graphics.getFontMetrics().getStringBounds(text, graphics).getWidth();
            double shift = anchor == Anchor.START ? 0 : anchor == Anchor.MIDDLE ? -width / 2 : -width;
            AffineTransform before = graphics.getTransform();
            graphics.translate(x, y);
            if (upright) {
                graphics.rotate(-Math.PI / 2);
            }
            graphics.drawString(text, (float) shift, 0);
            graphics.setTransform(before);
        }

        BufferedImage finish() {
            graphics.dispose();
            return image;
        }

        private static Path2D path(double[] x, double[] y) {
            Path2D path = new Path2D.Double();
            path.moveTo(x[0], y[0]);
            for (int i = 1; i < x.length; i++) {
                path.lineTo(x[i], y[i]);
            }
            return path;
        }

        private void shape(Shape shape, String fill, Stroke stroke) {
            if (fill != null) {
                graphics.setColor(Color.decode(fill));
                graphics.fill(shape);
            }
            if (stroke != null) {
                draw(shape, stroke);
            }
        }

        private void draw(Shape shape, Stroke stroke) {
            graphics.setColor(Color.decode(stroke.colour()));
            graphics.setStroke(new BasicStroke((float) stroke.width(), BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 10,
                    stroke.dash().length == 0 ? null : stroke.dash(), 0));
            graphics.draw(shape);
        }
    }

    /** Writes what is drawn as one inline SVG element, named for people who cannot see it. */
    public static final class SvgCanvas implements Canvas {
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
}
