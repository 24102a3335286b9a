package dev.lethe.report;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.chart.Canvas;
import dev.lethe.chart.Canvas.Stroke;
import dev.lethe.chart.Chart;
import dev.lethe.chart.Frame;
import dev.lethe.chart.Pictures;
import dev.lethe.chart.Scale;
import java.util.Arrays;
import java.util.List;

/** The distribution of scores as a picture of its own: how many records have which score. */
public final class ScorePlot {
    private static final int BINS = 60;

    private record Histogram(String title, String horizontal, double[] values) implements Chart {
        @Override
        public String name() {
            return "scores";
        }

        @Override
        public void draw(Canvas canvas) {
            double low = Arrays.stream(values).min().orElse(0);
            double high = Arrays.stream(values).max().orElse(1);
            double[] sizes = Arrays.stream(values).map(Math::abs).filter(size -> size > 0).sorted().toArray();
            double linear = sizes.length == 0 ? 1 : Math.max(sizes[sizes.length / 4], sizes[sizes.length - 1] * 1e-6);
            Scale scale = Scale.signedLog(low, high, linear);
            int[] counts = new int[BINS];
            for (double value : values) {
                counts[Math.clamp((int) (scale.at(value) * BINS), 0, BINS - 1)]++;
            }
            Frame frame = new Frame(canvas, scale, Scale.linear(0, Math.max(1, Arrays.stream(counts).max().orElse(1)) * 1.05));
            frame.verticalAxis("records");
            for (int bin = 0; bin < BINS; bin++) {
                if (counts[bin] > 0) {
                    double top = frame.y(counts[bin]);
                    canvas.rectangle(frame.left() + bin * frame.width() / BINS, top, frame.width() / BINS,
                            frame.bottom() - top, "#56b4e9", new Stroke("#0072b2", 0.8));
                }
            }
            frame.horizontalAxis(horizontal);
            frame.title(title, List.of());
        }
    }

    private ScorePlot() {}

    /**
     * Writes the picture, SVG or PNG by the file's name.
     *
     * @param horizontal what a score is, with its unit
     * @throws BadInputException for another ending, or when the file cannot be written
     */
    public static void write(OutputFile file, String title, String horizontal, double[] scores) {
        Chart chart = new Histogram(title, horizontal, scores);
        String name = file.path().getFileName().toString();
        Io.input(file.path() + ": cannot be drawn", () -> {
            if (name.endsWith(".svg")) {
                file.write(chart.svg());
            } else if (name.endsWith(".png")) {
                file.write(Pictures.png(chart));
            } else {
                throw new BadInputException(file.path() + ": end the name in .svg or .png");
            }
        });
    }
}
