package dev.lethe.report;

import dev.lethe.chart.BoxChart;
import dev.lethe.chart.Chart;
import dev.lethe.chart.LineChart;
import dev.lethe.chart.LineChart.Line;
import dev.lethe.chart.Style;
import dev.lethe.report.ReportData.ErasurePoint;
import dev.lethe.report.ReportData.Influence;
import dev.lethe.report.ReportData.TrainingPoint;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/** Which charts a report has, made from its data; a chart without data is left out. */
public final class Charts {
    private static final int MOST_SITES = 8;

    private Charts() {}

    public static List<Chart> of(ReportData data) {
        List<Chart> charts = new ArrayList<>();
        LineChart training = training(data.training());
        LineChart erasure = erasure(data);
        if (!training.isEmpty()) {
            charts.add(training);
        }
        if (!erasure.isEmpty()) {
            charts.add(erasure);
        }
        for (String measure : List.of("dot", "cosine", "act-grad")) {
            BoxChart influence = influence(data.influence(), measure);
            if (!influence.groups().isEmpty()) {
                charts.add(influence);
            }
        }
        return charts;
    }

    private static LineChart training(List<TrainingPoint> points) {
        double[] step = points.stream().mapToDouble(TrainingPoint::step).toArray();
        return new LineChart("training-loss", "Loss over training", "optimizer step", "mean token loss, nats", false,
                List.of(new Line("batch", Style.BLUE, true, step, values(points, TrainingPoint::loss)),
                        new Line("held-out", Style.ORANGE, true, step, values(points, TrainingPoint::heldOutLoss))),
                Double.NaN, "");
    }

    private static LineChart erasure(ReportData data) {
        List<ErasurePoint> kept = data.erasure().stream().filter(ErasurePoint::kept).toList();
        List<ErasurePoint> refused = data.erasure().stream().filter(Predicate.not(ErasurePoint::kept)).toList();
        return new LineChart("erasure-perplexity", "Perplexity over the erasure", "move", "perplexity (log axis)", true,
                List.of(perplexity("forget", Style.ORANGE, true, kept, ErasurePoint::forget),
                        perplexity("retain", Style.BLUE, true, kept, ErasurePoint::retain),
                        perplexity("held-out", Style.GREEN, true, kept, ErasurePoint::heldOut),
                        perplexity("forget, taken back", Style.GREY, false, refused, ErasurePoint::forget)),
                Math.exp(data.target()), "reference");
    }

    private static Line perplexity(String name, Style style, boolean joined, List<ErasurePoint> points,
                                   ToDoubleFunction<ErasurePoint> loss) {
        return new Line(name, style, joined, values(points, ErasurePoint::index),
                values(points, point -> Math.exp(loss.applyAsDouble(point))));
    }

    private static BoxChart influence(List<Influence> all, String measure) {
        Map<String, List<Influence>> bySite = new LinkedHashMap<>();
        all.stream().filter(i -> i.measure().equals(measure) && i.before().length > 0 && i.after().length > 0)
                .forEach(i -> bySite.computeIfAbsent(i.site(), site -> new ArrayList<>()).add(i));
        List<String> strongest = bySite.keySet().stream()
                .sorted(Comparator.comparingDouble((String site) -> -strength(bySite.get(site)))).limit(MOST_SITES).toList();
        List<BoxChart.Group> groups = bySite.keySet().stream().filter(strongest::contains)
                .map(site -> new BoxChart.Group(site, boxes(bySite.get(site)))).toList();
        String strongestOnly = bySite.size() > MOST_SITES ? " (strongest " + MOST_SITES + ")" : "";
        return new BoxChart("influence-" + measure, switch (measure) {
            case "dot" -> "Influence of records on the forget set, by site: gradient product";
            case "cosine" -> "Influence of records on the forget set, by site: cosine";
            default -> "Influence of the forget set, by site: activation x gradient";
        } + strongestOnly, "site", switch (measure) {
            case "dot" -> "nats a unit step";
            case "cosine" -> "cosine of the gradients";
            default -> "nats";
        }, measure.equals("cosine"), groups);
    }

    private static List<BoxChart.Box> boxes(List<Influence> ofSite) {
        List<BoxChart.Box> boxes = new ArrayList<>();
        for (Influence influence : ofSite) {
            String colour = influence.group().equals("forget") ? Style.ORANGE.colour : Style.BLUE.colour;
            boxes.add(new BoxChart.Box(influence.group() + " before", colour, false, influence.before()));
            boxes.add(new BoxChart.Box(influence.group() + " after", colour, true, influence.after()));
        }
        return boxes;
    }

    private static double strength(List<Influence> ofSite) {
        return ofSite.stream().flatMapToDouble(i -> DoubleStream.of(i.before())).map(Math::abs).average().orElse(0);
    }

    private static <T> double[] values(List<T> points, ToDoubleFunction<T> value) {
        return points.stream().mapToDouble(value).toArray();
    }
}
