package dev.lethe.report;

import dev.lethe.engine.BadInputException;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.SerializationContext;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.ValueSerializer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.module.SimpleModule;

/** Writes report.html, report.json and one PNG a chart into a folder. Each file appears whole. */
public final class ReportWriter {
    private static final System.Logger LOG = System.getLogger("dev.lethe.report");

    private ReportWriter() {}

    /**
     * Writes a report; an older one in the folder is replaced.
     *
     * @return the page's path
     * @throws BadInputException when the folder cannot be written
     */
    public static Path write(ReportData data, Path folder) {
        List<Chart> charts = Charts.of(data);
        Path page = folder.resolve("report.html");
        try {
            Files.createDirectories(folder);
            put(folder.resolve("report.json"), json().writeValueAsBytes(data));
            pictures(charts, folder);
            put(page, HtmlReport.page(data, charts).getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new BadInputException(folder + ": the report cannot be written: " + e.getMessage(), e);
        }
        return page;
    }

    /** The page has its plots already, so a machine without fonts only misses the pictures beside it. */
    private static void pictures(List<Chart> charts, Path folder) throws IOException {
        List<byte[]> pictures = new ArrayList<>();
        try {
            for (Chart chart : charts) {
                pictures.add(png(chart));
            }
        } catch (RuntimeException | LinkageError | InternalError e) {
            LOG.log(System.Logger.Level.WARNING, "no PNGs beside {0}: this machine has no fonts for Java ({1}); install "
                    + "fontconfig and a font, such as fonts-dejavu-core", folder.resolve("report.html"), e.toString());
            return;
        }
        for (int i = 0; i < charts.size(); i++) {
            put(folder.resolve(charts.get(i).name() + ".png"), pictures.get(i));
        }
    }

    static byte[] png(Chart chart) throws IOException {
        ImageCanvas canvas = new ImageCanvas(Chart.WIDTH, Chart.HEIGHT);
        chart.draw(canvas);
        BufferedImage image = canvas.finish();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ImageIO.write(image, "png", bytes);
        return bytes.toByteArray();
    }

    static void put(Path file, byte[] bytes) throws IOException {
        Path part = file.resolveSibling(file.getFileName() + ".part");
        Files.write(part, bytes);
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static JsonMapper json() {
        ValueSerializer<Double> number = new ValueSerializer<>() {
            @Override
            public void serialize(Double value, JsonGenerator generator, SerializationContext context) {
                if (Double.isFinite(value)) {
                    generator.writeNumber(value);
                } else {
                    generator.writeNull();
                }
            }
        };
        return JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY).enable(SerializationFeature.INDENT_OUTPUT)
                .addModule(new SimpleModule().addSerializer(Double.class, number).addSerializer(double.class, number)).build();
    }
}
