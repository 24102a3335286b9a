package dev.lethe.report;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Html;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.chart.Chart;
import dev.lethe.chart.Pictures;
import dev.lethe.html.JtereportGenerated;
import java.nio.file.Path;
import java.util.List;

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
        Io.input(folder + ": the report cannot be written", () -> {
            PrivateFiles.makeFolder(folder);
            PrivateFiles.write(folder.resolve("report.json"), ResultJson.pretty(data));
            Pictures.png(charts, folder);
            PrivateFiles.write(page, page(data, charts));
        });
        return page;
    }

    private static String page(ReportData data, List<Chart> charts) {
        Section figures = new Section("Curves", "", List.of(), List.of(), List.of(new Section.Figure("", charts, "")));
        return Html.page(out -> JtereportGenerated.render(out, null, data, ReportTables.of(data), figures));
    }
}
