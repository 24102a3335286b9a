package dev.lethe.report;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.AffineTransform;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;

/** Draws into an image at twice the size, on white, without a display. */
final class ImageCanvas implements Canvas {
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
        Path2D path = new Path2D.Double();
        path.moveTo(x[0], y[0]);
        for (int i = 1; i < x.length; i++) {
            path.lineTo(x[i], y[i]);
        }
        draw(path, stroke);
    }

    @Override
    public void rectangle(double x, double y, double width, double height, String fill, Stroke stroke) {
        Rectangle2D shape = new Rectangle2D.Double(x, y, width, height);
        if (fill != null) {
            graphics.setColor(Color.decode(fill));
            graphics.fill(shape);
        }
        if (stroke != null) {
            draw(shape, stroke);
        }
    }

    @Override
    public void marker(Marker marker, double x, double y, String colour) {
        graphics.setColor(Color.decode(colour));
        switch (marker) {
            case CIRCLE -> graphics.fill(new Ellipse2D.Double(x - 3, y - 3, 6, 6));
            case SQUARE -> graphics.fill(new Rectangle2D.Double(x - 3, y - 3, 6, 6));
            case TRIANGLE -> {
                Path2D path = new Path2D.Double();
                path.moveTo(x, y - 4);
                path.lineTo(x + 4, y + 3);
                path.lineTo(x - 4, y + 3);
                path.closePath();
                graphics.fill(path);
            }
            case CROSS -> {
                Stroke stroke = new Stroke(colour, 1.5);
                line(x - 3, y - 3, x + 3, y + 3, stroke);
                line(x - 3, y + 3, x + 3, y - 3, stroke);
            }
        }
    }

    @Override
    public void text(double x, double y, String text, double size, Anchor anchor, boolean upright) {
        graphics.setColor(new Color(0x222222));
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

    private void draw(java.awt.Shape shape, Stroke stroke) {
        graphics.setColor(Color.decode(stroke.colour()));
        graphics.setStroke(new BasicStroke((float) stroke.width(), BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 10,
                stroke.dash().length == 0 ? null : stroke.dash(), 0));
        graphics.draw(shape);
    }
}
