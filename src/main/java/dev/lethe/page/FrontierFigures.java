package dev.lethe.page;

import dev.lethe.chart.Scatter;
import dev.lethe.chart.Scatter.Axis;
import dev.lethe.chart.Scatter.Dot;
import dev.lethe.chart.Scatter.Value;
import dev.lethe.report.Section.Figure;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/** What is kept against what is forgotten, each variant a point, with the retrained and the original model as stars. */
final class FrontierFigures {
    private static final double LEAST_P = 1e-6;

    private FrontierFigures() { }

    static Figure quality(Study study, String suffix) {
        return figure(study, "Utility and forget quality", "frontier-quality" + suffix,
                new Axis("model utility", false, 1, Double.NaN), new Axis("forget quality, KS p-value (log axis)",
                true, 1, 0.05), variant -> variant.of("model_utility"), variant -> quality(variant),
                "Up and to the right is better. Dashed: p = 0.05, above which the truth ratios cannot be told from the "
                        + "retrained model's, which is 1 beside itself. p below 1e-6 stands at 1e-6; over seeds "
                        + "the mean is of log p. ");
    }

    static Figure relearning(Study study, String suffix) {
        return figure(study, "Retain loss and relearning", "frontier-relearning" + suffix,
                new Axis("retain loss, nats a token", false, -1, Double.NaN),
                new Axis("loss after relearning, share of the retrained model's", false, 1, 0.8),
                variant -> variant.of("retain.loss"),
                variant -> variant.isRetrained() && !variant.has("relearn.share")
                ? new Interval(1, Double.NaN, Double.NaN, 1) : variant.of("relearn.share"),
                "Up and to the left is better. Relearning: a few steps on some of the forgotten records, then the "
                        + "loss of the others; 1 = it comes back no sooner than to a model that never knew it. "
                        + "Dashed: 0.8. ");
    }

    private static Interval quality(Variant variant) {
        if (variant.isRetrained() && !variant.has("forget_quality")) {
            return new Interval(1, Double.NaN, Double.NaN, 1);
        }
        Interval log = Interval.of(Quantity.ANY, variant.results().stream()
                .mapToDouble(result -> Math.log(Math.max(LEAST_P, Variant.value(result, "forget_quality")))).toArray());
        return new Interval(Math.exp(log.mean()), Math.exp(log.low()), Math.min(1, Math.exp(log.high())), log.n());
    }

    private static Figure figure(Study study, String heading, String name, Axis horizontal, Axis vertical,
                                 Function<Variant, Interval> x, Function<Variant, Interval> y, String caption) {
        List<Variant> shown = study.variants().stream().filter(variant -> !variant.isBase() && x.apply(variant).n() > 0
                && y.apply(variant).n() > 0).toList();
        if (shown.stream().allMatch(Variant::isReference)) {
            return Figure.missing(heading, "no variant has both " + horizontal.label() + " and " + vertical.label()
                    + ".");
        }
        List<String> strategies = shown.stream().filter(variant -> !variant.isReference())
                .map(variant -> variant.cell().strategy()).distinct().toList();
        List<Dot> dots = new ArrayList<>();
        for (Variant variant : shown) {
            Value across = value(x.apply(variant));
            Value up = value(y.apply(variant));
            dots.add(variant.isReference() ? Scatter.reference(variant.name(), variant.isOriginal(), across, up)
                    : Scatter.dot(variant.name(), strategies.indexOf(variant.cell().strategy()), across, up));
        }
        boolean intervals = dots.stream().flatMap(dot -> Stream.of(dot.x(), dot.y()))
                .anyMatch(value -> Double.isFinite(value.low()));
        return new Figure(heading, List.of(new Scatter(name, heading, horizontal, vertical, dots)), caption
                + "Stars: the retrained (black) and the original (grey) model. Colour and marker tell the strategy; "
                + (intervals ? "whiskers, where there is room, are 95 % intervals over seeds, cut at the edge."
                : "one seed, so no intervals."));
    }

    private static Value value(Interval interval) {
        return new Value(interval.mean(), interval.low(), interval.high());
    }
}
