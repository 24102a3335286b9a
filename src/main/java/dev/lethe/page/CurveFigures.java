package dev.lethe.page;

import dev.lethe.chart.LineChart.Line;
import dev.lethe.chart.LineGrid;
import dev.lethe.chart.LineGrid.Panel;
import dev.lethe.chart.Style;
import dev.lethe.report.Section.Figure;
import dev.lethe.spec.CellResult.CurvePoint;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/** What moved while a variant moved, one thin panel a variant and one line a seed; and sequences of requests. */
final class CurveFigures {
    private static final int PANELS = 12;
    private static final String SEQUENTIAL = "sequential.";
    private static final Map<String, String> SEQUENCES = sequences();

    private CurveFigures() { }

    private static Map<String, String> sequences() {
        Map<String, String> labels = new LinkedHashMap<>();
        labels.put("forget.loss", "forget loss, nats a token");
        labels.put("retain.loss", "retain loss, nats a token");
        labels.put("heldout.loss", "held-out loss, nats a token");
        labels.put("model_utility", "model utility");
        labels.put("forget_quality", "forget quality, KS p-value");
        labels.put("forget.rougeL", "forget ROUGE-L recall");
        labels.put("forget.exact_memorisation", "forget exact memorisation");
        labels.put("retain.rougeL", "retain ROUGE-L recall");
        return labels;
    }

    static Figure losses(Study study, String suffix) {
        String heading = "Loss of forget, retain and held-out records over the moves";
        List<Panel> panels = new ArrayList<>();
        for (Variant variant : study.erased()) {
            double level = study.retrained(variant).map(reference -> reference.of("forget.loss").mean())
                    .orElse(Double.NaN);
            List<Line> lines = new ArrayList<>();
            lines.addAll(lines(variant, "forget", Style.ORANGE, CurvePoint::forget));
            lines.addAll(lines(variant, "retain", Style.BLUE, CurvePoint::retain));
            lines.addAll(lines(variant, "held-out", Style.GREEN, CurvePoint::heldOut));
            panels.add(new Panel(variant.name(), "nats a token", lines, level));
        }
        return figure(heading, "losses-over-moves" + suffix, false, panels, "forget loss, retrained model",
                "One line a seed. A move is a step of ascent or of repair. Axes differ between panels.",
                "no variant's losses were followed.");
    }

    static Figure influence(Study study, String suffix) {
        String heading = "Influence over the moves";
        List<Panel> panels = study.erased().stream().map(variant -> new Panel(variant.name(), "mean |influence|",
                lines(variant, "mean |influence| of the forget records, nats a unit step", Style.PURPLE,
                CurvePoint::influence), Double.NaN)).toList();
        return figure(heading, "influence-over-moves" + suffix, true, panels, "",
                "One line a seed; the same logarithmic axis in every panel.", "no variant's influence was followed.");
    }

    private static Figure figure(String heading, String name, boolean logShared, List<Panel> panels, String level,
            String caption, String missing) {
        List<Panel> full = panels.stream().filter(panel -> panel.lines().stream()
                .anyMatch(line -> line.x().length > 1)).toList();
        if (full.isEmpty()) {
            return Figure.missing(heading, missing);
        }
        List<LineGrid> charts = new ArrayList<>();
        for (int from = 0; from < full.size(); from += PANELS) {
            String number = full.size() > PANELS ? "-" + (from / PANELS + 1) : "";
            charts.add(new LineGrid(name + number, heading, "moves", logShared, Double.NaN, logShared, level,
                    full.subList(from, Math.min(full.size(), from + PANELS))));
        }
        return new Figure(heading, charts, caption);
    }

    private static List<Line> lines(Variant variant, String name, Style style, ToDoubleFunction<CurvePoint> value) {
        return variant.results().stream().map(result -> new Line(name, style, true,
                result.curve().stream().mapToDouble(CurvePoint::step).toArray(),
                result.curve().stream().mapToDouble(value).toArray())).toList();
    }

    /** Request after request on one model. */
    static Figure sequence(Study study, String suffix) {
        String heading = "Sequential erasure";
        List<Variant> variants = study.variants().stream().filter(CurveFigures::isSequence).toList();
        List<String> measures = variants.stream().flatMap(variant -> variant.results().stream())
                .flatMap(result -> result.distributions().keySet().stream()).filter(name -> name.startsWith(SEQUENTIAL))
                .map(name -> name.substring(SEQUENTIAL.length())).distinct().filter(SEQUENCES::containsKey).toList();
        List<Panel> panels = measures.stream().sorted(Comparator.comparingInt(CurveFigures::order))
                .map(measure ->
                new Panel(SEQUENCES.get(measure), SEQUENCES.get(measure),
                        IntStream.range(0, variants.size()).boxed()
                                .flatMap(i -> requests(variants.get(i), Style.of(i), measure).stream()).toList(),
                                Double.NaN)).toList();
        LineGrid grid = new LineGrid("sequential-erasure" + suffix, heading + ": after each request",
                "requests erased", false, Double.NaN, false, "", panels);
        return grid.isEmpty() ? Figure.missing(heading, "no sequence of requests was measured.")
                : new Figure(heading, List.of(grid), "One line a seed; at 0 the model before the first "
                        + "request. Axes differ between panels.");
    }

    /** Whether it forgot request after request. */
    static boolean isSequence(Variant variant) {
        return variant.results().stream().flatMap(result -> result.distributions().keySet().stream())
                .anyMatch(name -> name.startsWith(SEQUENTIAL));
    }

    private static int order(String measure) {
        return new ArrayList<>(SEQUENCES.keySet()).indexOf(measure);
    }

    private static List<Line> requests(Variant variant, Style style, String measure) {
        return variant.results().stream().map(result -> result.distributions().get(SEQUENTIAL + measure))
                .filter(values -> values != null && Arrays.stream(values).anyMatch(Double::isFinite))
                .map(values -> new Line(variant.name(), style, true, IntStream.range(0, values.length).asDoubleStream()
                .toArray(), values)).toList();
    }
}
