package dev.lethe.page;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.chart.Chart;
import dev.lethe.chart.Pictures;
import dev.lethe.html.JtestudyGenerated;
import dev.lethe.report.ReportData.Fact;
import dev.lethe.report.Section;
import dev.lethe.report.Section.Figure;
import dev.lethe.report.Section.Table;
import dev.lethe.run.RunJson;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A study for people: {@code study.html} with every table and figure in it, {@code figures/NAME.svg} and {@code .png},
 * and {@code tables/NAME.csv}. Deterministic: the same results give the same bytes.
 *
 * <p>Beyond what {@link CellResult} names, distributions {@code sequential.MEASURE}, such as {@code
 * sequential.forget.loss} or {@code sequential.model_utility}, hold one value before a sequence of requests and one
 * after each.
 */
public final class StudyPage {
    private StudyPage() { }

    /**
     * Writes the page of a study whose results lie in a folder, one JSON object a line of {@code results.jsonl}.
     *
     * @return the page's path
     */
    public static Path of(Path dir) {
        Path file = dir.resolve("results.jsonl");
        List<CellResult> results = new ArrayList<>();
        try {
            int number = 0;
            for (String line : Files.readAllLines(file)) {
                number++;
                if (!line.isBlank()) {
                    results.add(RunJson.read(line, CellResult.class, file + ":" + number));
                }
            }
            return write(dir, name(dir), results);
        } catch (IOException e) {
            throw new BadInputException(file + ": cannot be read (" + Reason.of(e, file)
                    + "); name the folder that lethe experiment wrote", e);
        }
    }

    /** As the study calls itself, else as its folder is called. */
    private static String name(Path dir) throws IOException {
        Path order = dir.resolve("order.json");
        String folder = dir.toAbsolutePath().normalize().getFileName().toString();
        return Files.exists(order) ? RunJson.tree(Files.readString(order), order.toString()).path("name").asString(folder)
                : folder;
    }

    /**
     * Writes page, figures and tables into a folder; older ones are replaced.
     *
     * @param name heading of the page
     * @return the page's path
     * @throws BadInputException when there are no results or the folder cannot be written
     */
    public static Path write(Path dir, String name, List<CellResult> results) {
        if (results.isEmpty()) {
            throw new BadInputException(dir + ": there are no results to show; let at least one cell finish");
        }
        Study study = Study.of(results);
        List<Section> sections = new ArrayList<>();
        Table claims = Claims.table(study);
        if (!claims.rows().isEmpty()) {
            sections.add(new Section("The paper's claims", Claims.EXPLANATION, List.of(claims), List.of(), List.of()));
        }
        for (String forget : study.forgetSets()) {
            sections.add(section(study.about(forget), study.forgetSets().size() > 1 ? "-" + file(forget, study.forgetSets()) : ""));
        }
        List<Chart> charts = sections.stream().flatMap(section -> section.figures().stream())
                .<Chart>flatMap(figure -> figure.charts().stream()).toList();
        String page = Section.page(out -> JtestudyGenerated.render(out, null, name, facts(study), sections,
                List.of("tables/variants.csv", "tables/claims.csv")));
        Io.input(dir + ": the study's page cannot be written", () -> {
            Path figures = PrivateFiles.makeFolder(dir.resolve("figures"));
            Path tables = PrivateFiles.makeFolder(dir.resolve("tables"));
            Pictures.svg(charts, figures);
            Pictures.png(charts, figures);
            PrivateFiles.write(tables.resolve("variants.csv"), StudyTables.csv(study));
            PrivateFiles.write(tables.resolve("claims.csv"), Table.csv(claims.columns(),
                    claims.rows().stream().map(Table.Row::cells).toList()));
            PrivateFiles.write(dir.resolve("study.html"), page);
        });
        return dir.resolve("study.html");
    }

    private static List<Fact> facts(Study study) {
        List<Long> seeds = study.seeds();
        String intervals = seeds.size() == 1
                ? "one seed was run: numbers stand without intervals, and no claim is decided by them"
                : "means over seeds with 95 % intervals by " + Quantity.INTERVALS + "; a variant measured with one seed has none";
        return List.of(new Fact("measured", study.variants().stream().mapToInt(variant -> variant.results().size())
                .sum() + " cells of " + study.variants().size() + " variants"),
                new Fact("forget sets", String.join(", ", study.forgetSets())),
                new Fact("seeds", seeds.stream().map(String::valueOf).collect(Collectors.joining(", "))),
                new Fact("intervals", intervals));
    }

    private static Section section(Study study, String suffix) {
        return new Section(study.variants().stream().allMatch(CurveFigures::isSequence) ? "One request after the other"
                : "Forgetting " + study.forgetSets().getFirst(), "", StudyTables.of(study), notes(study), StudyFigures.of(study, suffix));
    }

    private static List<String> notes(Study study) {
        Set<String> notes = new LinkedHashSet<>();
        for (Variant variant : study.variants()) {
            variant.results().stream().filter(result -> result.note() != null && !result.note().isBlank())
                    .collect(Collectors.groupingBy(CellResult::note, LinkedHashMap::new, Collectors.toList()))
                    .forEach((note, results) -> notes.add(variant.name() + " (seed " + results.stream()
                            .map(result -> String.valueOf(result.cell().seed())).collect(Collectors.joining(", "))
                            + "): " + note));
        }
        return List.copyOf(notes);
    }

    /** A forget set's name as part of a file's, distinct among all. */
    private static String file(String forget, List<String> all) {
        String plain = plain(forget);
        boolean taken = all.stream().anyMatch(other -> !other.equals(forget) && plain(other).equals(plain));
        return plain.isEmpty() || taken ? plain + (all.indexOf(forget) + 1) : plain;
    }

    private static String plain(String name) {
        return name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-").replaceAll("^-|-$", "");
    }

    /** Every variant's measures as means over the seeds with 95 % intervals, references first; for people and as CSV. */
    static final class StudyTables {
        private StudyTables() { }

        /** One table a topic, of one forget set. */
        static List<Table> of(Study study) {
            List<Table> tables = new ArrayList<>();
            for (MetricColumn.Topic topic : MetricColumn.of(study)) {
                List<Variant> shown = study.variants().stream()
                        .filter(variant -> topic.measures().stream().anyMatch(measure -> variant.has(measure.key())))
                        .toList();
                List<String> columns = Stream.concat(Stream.of("variant", "seeds", "reached"),
                        topic.measures().stream().map(MetricColumn::label)).toList();
                tables.add(Table.of(topic.title(), columns, shown.stream().map(variant -> row(variant, topic)).toList()));
            }
            return tables;
        }

        private static Table.Row row(Variant variant, MetricColumn.Topic topic) {
            long reached = variant.results().stream().filter(CellResult::reached).count();
            int seeds = variant.results().size();
            List<String> cells = new ArrayList<>(List.of(variant.name(), String.valueOf(seeds),
                    variant.isReference() ? "" : reached + " of " + seeds));
            for (MetricColumn measure : topic.measures()) {
                Interval interval = variant.of(measure.key()).times(Quantity.of(measure.key()).unit);
                cells.add(interval.text(measure.format()).replace(" [", "\n[")
                        + (interval.n() > 0 && interval.n() < seeds ? " (n " + interval.n() + ")" : ""));
            }
            return new Table.Row(variant.isReference(), cells);
        }

        /** Of all forget sets: the cell's choices, then of each measure mean, low, high and n; empty = not measured. */
        static String csv(Study study) {
            List<String> keys = MetricColumn.of(study).stream().flatMap(topic -> topic.measures().stream()).map(MetricColumn::key)
                    .toList();
            List<String> columns = new ArrayList<>(List.of("forget", "variant", "head", "strategy", "sites", "epochs",
                    "matching", "calibration", "contrast", "repair", "options", "seeds", "reached"));
            keys.forEach(key -> columns.addAll(List.of(key, key + ".low", key + ".high", key + ".n")));
            List<List<String>> rows = new ArrayList<>();
            for (Variant variant : study.variants()) {
                Cell cell = variant.cell();
                List<String> row = new ArrayList<>(List.of(cell.forget(), variant.name(), cell.head(), cell.strategy(),
                        cell.sites(), cell.epochs(), cell.matching(), cell.calibration(), cell.contrast(),
                        String.valueOf(cell.repair()), cell.options(), String.valueOf(variant.results().size()),
                        String.valueOf(variant.results().stream().filter(CellResult::reached).count())));
                for (String key : keys) {
                    Interval interval = variant.of(key);
                    row.addAll(List.of(number(interval.mean()), number(interval.low()), number(interval.high()),
                            String.valueOf(interval.n())));
                }
                rows.add(row);
            }
            return Table.csv(columns, rows);
        }

        private static String number(double value) {
            return Double.isFinite(value) ? String.valueOf(value) : "";
        }
    }

    /** Every figure of one forget set's variants, in the order of reading; what cannot be drawn says why. Grids
     * of fixed rates and steps stand in their own figure and in the tables, not in those over all variants. */
    static final class StudyFigures {
        private StudyFigures() { }

        /** @param suffix of file names, distinct for every forget set */
        static List<Figure> of(Study study, String suffix) {
            if (study.variants().stream().allMatch(CurveFigures::isSequence)) {
                return List.of(CurveFigures.sequence(study, suffix));
            }
            Study most = study.withoutFixedRates();
            List<Figure> figures = new ArrayList<>();
            figures.add(FrontierFigures.quality(most, suffix));
            figures.add(FrontierFigures.relearning(most, suffix));
            figures.add(InfluenceFigures.byType(most, suffix));
            figures.add(InfluenceFigures.beforeAndAfter(most, suffix));
            figures.add(InfluenceFigures.bySite(most, suffix));
            figures.add(CurveFigures.influence(most, suffix));
            figures.add(VariantFigures.text(most, suffix));
            figures.add(CurveFigures.losses(most, suffix));
            figures.add(VariantFigures.cost(most, suffix));
            figures.add(GridFigures.sites(study, suffix));
            figures.add(GridFigures.fixedRates(study, suffix));
            figures.add(CurveFigures.sequence(study, suffix));
            return figures;
        }
    }
}
