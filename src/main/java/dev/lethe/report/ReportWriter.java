package dev.lethe.report;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.PrivateFiles;
import dev.lethe.engine.Reason;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.SerializationContext;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.ValueSerializer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.module.SimpleModule;

/** Writes report.html, report.json and one PNG a chart into a folder. Each file appears whole. */
public final class ReportWriter {
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
            PrivateFiles.makeFolder(folder);
            PrivateFiles.write(folder.resolve("report.json"), json().writeValueAsBytes(data));
            Pictures.png(charts, folder);
            PrivateFiles.write(page, HtmlReport.page(data, charts));
        } catch (IOException e) {
            throw new BadInputException(folder + ": the report cannot be written: " + Reason.of(e, folder), e);
        }
        return page;
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
        return JsonMapper.builder().propertyNamingStrategy(JsonKeys.SNAKE_CASE)
                .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY).enable(SerializationFeature.INDENT_OUTPUT)
                .addModule(new SimpleModule().addSerializer(Double.class, number).addSerializer(double.class, number)).build();
    }
}
