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
}
