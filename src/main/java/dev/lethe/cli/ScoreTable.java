package dev.lethe.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.chart.Canvas;
import dev.lethe.chart.Canvas.Stroke;
import dev.lethe.chart.Chart;
import dev.lethe.chart.Frame;
import dev.lethe.chart.Pictures;
import dev.lethe.chart.Scale;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.Terminal;
import dev.lethe.influence.ScoreMerger.QueryScores;
import dev.lethe.influence.ScoreMerger.QueryScores.RecordScore;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.report.OutputFile;
import dev.lethe.report.Section.Table.Csv;
import dev.lethe.run.RunFolder;
import dev.lethe.shape.Site;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** Scores of records on queries, by falling score, as JSON and as CSV. */
final class ScoreTable {
    /** One record. @param bySite the sites that add to the score */
    record Scored(String id, double score, Map<String, Double> bySite) {}

    /** One query. @param form dense or factored, how the products were computed; null where there are none */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Ranking(String query, String form, int scored, List<Scored> records) {}

    private final List<Site> sites;
    private final int top; // 0 = all
    private final List<Ranking> rankings = new ArrayList<>();
    private final List<double[]> totals = new ArrayList<>(); // of every record, for the distribution

    ScoreTable(List<Site> sites, int top) {
        this.sites = sites;
        this.top = top;
    }

    /** A record with its parts, [S] in the model's order. */
    Scored scored(String id, double score, double[] bySite) {
        Map<String, Double> named = new LinkedHashMap<>();
        for (Site site : sites) {
            if (bySite[site.index()] != 0) {
                named.put(site.name(), bySite[site.index()]);
            }
        }
        return new Scored(id, score, named);
    }

    void add(String query, String form, List<Scored> scores) {
        add(query, form, scores, Scored::score, Function.identity());
    }

    private <T> void add(String query, String form, List<T> scores, ToDoubleFunction<T> score, Function<T, Scored> shown) {
        List<T> sorted = new ArrayList<>(scores);
        sorted.sort(Comparator.comparingDouble((T one) -> -score.applyAsDouble(one)));
        totals.add(sorted.stream().mapToDouble(score).toArray());
        rankings.add(new Ranking(query, form, sorted.size(),
                sorted.stream().limit(top == 0 ? sorted.size() : top).map(shown).toList()));
    }

    /** Ids of the run's records by the keys that its ledger knows them by. */
    static Map<RecordKey, String> names(RunFolder run) {
        Map<RecordKey, String> names = new HashMap<>();
        run.records().forEach(record -> names.put(RecordKey.of(record.id()), record.id()));
        return names;
    }

    /** A query's records, by the names of those that the run still knows; sites' parts are made of those alone that are shown. */
    void add(Map<RecordKey, String> names, QueryScores scores) {
        add(scores.query(), scores.form() == null ? null : scores.form().name().toLowerCase(Locale.ROOT), scores.records(),
                RecordScore::total,
                score -> scored(names.getOrDefault(score.key(), score.key().toString()), score.total(), score.bySite()));
    }

    /** What --json gives; records of the only query, or queries when there are several. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Result(String method, String form, Integer scored, List<Scored> records, List<Ranking> queries) {}

    /** Hands the result over. @param csv or null @param plot or null, with so many queries */
    void output(LetheCommand command, ScoreMethod method, OutputFile csv, OutputFile plot, int asked) {
        if (csv != null) {
            csv.write(csv());
        }
        if (plot != null) {
            ScorePlot.write(plot, "Influence of records, " + method.label() + (asked > 1 ? ", " + asked + " queries" : ""), method.unit(),
                    totals.stream().flatMapToDouble(Arrays::stream).toArray());
        }
        Ranking only = rankings.size() == 1 ? rankings.getFirst() : null;
        command.result(only == null ? new Result(method.label(), null, null, null, rankings)
                : new Result(method.label(), only.form(), only.scored(), only.records(), null), terminal -> print(terminal, method));
    }

    private void print(Terminal terminal, ScoreMethod method) {
        for (Ranking ranking : rankings) {
            if (rankings.size() > 1) {
                terminal.print("%s", ranking.query());
            }
            ranking.records().forEach(score -> terminal.print("%14.6g  %s", score.score(), score.id()));
            terminal.print("%,d of %,d records, %s", ranking.records().size(), ranking.scored(), method.label());
        }
    }

    /** query,rank,id,score and a column a site that any shown record has a part at. */
    private String csv() {
        List<String> named = sites.stream().map(Site::name).filter(name -> rankings.stream()
                .flatMap(ranking -> ranking.records.stream()).anyMatch(score -> score.bySite.containsKey(name))).toList();
        StringBuilder csv = new StringBuilder("query,rank,id,score");
        named.forEach(name -> csv.append(',').append(name));
        csv.append('\n');
        for (Ranking ranking : rankings) {
            int rank = 1;
            for (Scored score : ranking.records) {
                csv.append(Csv.cell(ranking.query)).append(',').append(rank++).append(',').append(Csv.cell(score.id))
                        .append(',').append(score.score);
                named.forEach(name -> csv.append(',').append(score.bySite.getOrDefault(name, 0.0)));
                csv.append('\n');
            }
        }
        return csv.toString();
    }

    /** The distribution of scores as a picture of its own: how many records have which score. */
    public static final class ScorePlot {
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
}
