package dev.lethe.chart;

import dev.lethe.base.PrivateFiles;
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
}
