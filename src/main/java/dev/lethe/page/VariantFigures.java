package dev.lethe.page;

import dev.lethe.chart.RowChart;
import dev.lethe.chart.RowChart.Axis;
import dev.lethe.chart.RowChart.Panel;
import dev.lethe.chart.RowChart.Point;
import dev.lethe.chart.RowChart.Series;
import dev.lethe.chart.Style;
import dev.lethe.report.Section.Figure;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;

/** What single numbers say of each variant, side by side: text quality, and what it cost. */
final class VariantFigures {
    private static final int ROWS = 36;

    private VariantFigures() { }

    /** Perplexity and ROUGE-L of forget, retain and held-out records. */
    static Figure text(Study study, String suffix) {
        String heading = "Perplexity and ROUGE by variant";
        List<Variant> rows = study.variants().stream().filter(variant -> Stream.of("forget", "retain", "heldout")
                .anyMatch(set -> variant.has(set + ".perplexity") || variant.has(set + ".rougeL"))).toList();
        if (rows.isEmpty()) {
            return Figure.missing(heading, "no variant has a loss or a ROUGE score.");
        }
        double level = study.variants().stream().filter(Variant::isRetrained).findFirst()
                .map(variant -> variant.of("forget.perplexity")).orElse(Interval.NONE).mean();
        return new Figure(heading, pages("perplexity-rouge" + suffix, heading, rows, page -> List.of(
                sets(page, "perplexity", "perplexity (log axis)", Axis.LOG, level),
                sets(page, "rougeL", "ROUGE-L recall", Axis.LINEAR, Double.NaN))),
                "Forgetting is good where the forget records' mark comes to the retrained model's and the retain "
                        + "records' stays. Whiskers: 95 % intervals over seeds.");
    }

    /** Ledger and time. */
    static Figure cost(Study study, String suffix) {
        String heading = "Space and time by variant";
        List<Variant> rows = study.variants().stream().filter(variant -> !variant.isOriginal()
                && (variant.has("cost.ledger_bytes") || variant.has("cost.seconds") || variant.has("cost.share")))
                .toList();
        if (rows.isEmpty()) {
            return Figure.missing(heading, "no variant's cost was measured.");
        }
        return new Figure(heading, pages("space-time" + suffix, heading, rows, page -> List.of(
                one(page, "ledger", "ledger, MB", "cost.ledger_bytes", 1e-6, Style.BLUE),
                one(page, "time", "time of the erasure, s", "cost.seconds", 1, Style.ORANGE),
                one(page, "steps", "steps, share of retraining", "cost.share", 1, Style.GREEN))),
                "1 MB is 10⁶ bytes. Time does not count the training before it, but for the retrained model it is "
                        + "the training. Whiskers: 95 % intervals over seeds.");
    }

    /** As many charts as their rows need; panels without a mark are left out. */
    static List<RowChart> pages(String name, String heading, List<Variant> rows, Function<List<Variant>,
            List<Panel>> panels) {
        List<RowChart> pages = new ArrayList<>();
        for (int from = 0; from < rows.size(); from += ROWS) {
            List<Variant> page = rows.subList(from, Math.min(rows.size(), from + ROWS));
            List<Panel> full = panels.apply(page).stream().filter(panel -> panel.series().stream()
                    .anyMatch(series -> series.marks().stream().anyMatch(mark -> mark != null))).toList();
            pages.add(new RowChart(name + (rows.size() > ROWS ? "-" + (pages.size() + 1) : ""), heading,
                    page.stream().map(Variant::name).toList(), full));
        }
        return pages;
    }

    private static Panel sets(List<Variant> rows, String measure, String label, Axis axis, double level) {
        return new Panel(label, axis, level, "forget records, retrained model",
                List.of(series(rows, "forget", Style.ORANGE, variant -> variant.of("forget." + measure), 1),
                        series(rows, "retain", Style.BLUE, variant -> variant.of("retain." + measure), 1),
                        series(rows, "held-out", Style.GREEN, variant -> variant.of("heldout." + measure), 1)));
    }

    private static Panel one(List<Variant> rows, String name, String label, String metric, double unit, Style style) {
        Axis axis = rows.stream().map(variant -> variant.of(metric).mean()).filter(Double::isFinite)
                .allMatch(mean -> mean > 0) && spread(rows, metric) > 20 ? Axis.LOG : Axis.LINEAR;
        return new Panel(label + (axis == Axis.LOG ? " (log axis)" : ""), axis, Double.NaN, "",
                List.of(series(rows, name, style, variant -> variant.of(metric), unit)));
    }

    private static double spread(List<Variant> rows, String metric) {
        double[] means = rows.stream().mapToDouble(variant -> variant.of(metric).mean()).filter(Double::isFinite)
                .sorted().toArray();
        return means.length == 0 || means[0] == 0 ? 1 : means[means.length - 1] / means[0];
    }

    private static Series series(List<Variant> rows, String name, Style style, Function<Variant, Interval> measured,
            double unit) {
        List<Point> marks = new ArrayList<>(); // holds nulls
        for (Variant variant : rows) {
            Interval interval = measured.apply(variant);
            marks.add(interval.n() == 0 ? null : new Point(interval.mean() * unit, interval.low() * unit,
                    interval.high() * unit));
        }
        return new Series(name, style, marks);
    }
}
