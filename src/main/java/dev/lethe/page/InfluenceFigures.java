package dev.lethe.page;

import dev.lethe.chart.BoxChart;
import dev.lethe.chart.RowChart;
import dev.lethe.chart.RowChart.Axis;
import dev.lethe.chart.RowChart.Panel;
import dev.lethe.chart.RowChart.Series;
import dev.lethe.chart.RowChart.Spread;
import dev.lethe.chart.Style;
import dev.lethe.report.Section.Figure;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** How strongly the forget records still pull on the forget loss, before an erasure and after it; seeds pooled. */
final class InfluenceFigures {
    private static final String BEFORE = "influence.before";
    private static final String AFTER = "influence.after";
    private static final String UNIT = "gradient product with the forget loss, nats a unit step (signed log axis)";
    private static final String BOXES = "Boxes: quartiles and median; whiskers: 5th and 95th percentile, all "
            + "seeds together. ";

    private static final List<MetricColumn> MEASURES = List.of(
            new MetricColumn("influence", "gradient product, nats a unit step", ""),
            new MetricColumn("influence_act_grad", "activation · gradient, nats", ""));

    private InfluenceFigures() { }

    static Figure byType(Study study, String suffix) {
        String heading = "Influence by unlearning type";
        List<Variant> rows = measured(study);
        if (rows.isEmpty()) {
            return Figure.missing(heading, "no variant has influences before and after.");
        }
        return new Figure(heading, VariantFigures.pages("influence-by-type" + suffix, heading, rows,
                InfluenceFigures::panels), BOXES
                + "One value a record: how much it pulls on the loss of the forget records. Signed log axes.");
    }

    private static List<Panel> panels(List<Variant> rows) {
        List<Panel> panels = new ArrayList<>();
        for (MetricColumn measure : MEASURES) {
            List<Series> series = new ArrayList<>();
            for (String records : List.of("", ".retain")) {
                Style style = records.isEmpty() ? Style.ORANGE : Style.BLUE;
                String name = records.isEmpty() ? "forget" : "retain";
                series.add(series(name + ", before", style, rows, measure.key() + records + ".before", false));
                series.add(series(name + ", after", style, rows, measure.key() + records + ".after", true));
            }
            series.removeIf(one -> one.marks().stream().allMatch(mark -> mark == null));
            panels.add(new Panel(measure.label(), Axis.SIGNED_LOG, Double.NaN, "", series));
        }
        return panels;
    }

    /**
     * The paper's three: the embedding alone, the whole model, and the first epoch's gradients after training's end.
     */
    static Figure beforeAndAfter(Study study, String suffix) {
        String heading = "Influence before and after: embedding, whole model, first epoch";
        List<Variant> all = measured(study);
        List<Variant> chosen = new ArrayList<>();
        List<BoxChart.Group> groups = new ArrayList<>();
        Predicate<Variant> first = variant -> variant.cell().epochs().equals("first");
        Predicate<Variant> notAll = variant -> !variant.cell().epochs().equals("all");
        group("embedding", all, variant -> variant.cell().sites().startsWith("embedding"), notAll, groups, chosen);
        group("whole model", all, variant -> variant.cell().sites().equals("all"), notAll, groups, chosen);
        group("first epoch", all, first, variant -> !variant.cell().sites().startsWith("embedding"), groups, chosen);
        if (groups.isEmpty()) {
            return Figure.missing(heading, "no variant on the embedding, the whole model or the first epoch has "
                    + "influences.");
        }
        List<String> which = new ArrayList<>();
        for (int i = 0; i < groups.size(); i++) {
            which.add(groups.get(i).name() + ": " + chosen.get(i).name());
        }
        return new Figure(heading, List.of(new BoxChart("influence-before-after" + suffix, heading, "",
                "influence, nats a unit step", false, groups)), BOXES + "Signed log axis. " + String.join("; ", which)
                + ".");
    }

    private static void group(String name, List<Variant> all, Predicate<Variant> fits, Predicate<Variant> lessLiked,
                              List<BoxChart.Group> groups, List<Variant> chosen) {
        Optional<Variant> best = all.stream().filter(fits).min(Comparator.comparing((Variant variant) ->
                lessLiked.test(variant)));
        best.ifPresent(variant -> {
            groups.add(new BoxChart.Group(name, List.of(
                    new BoxChart.Box("before", Style.GREY.colour(), false, variant.distribution(BEFORE)),
                    new BoxChart.Box("after", Style.BLUE.colour(), true, variant.distribution(AFTER)))));
            chosen.add(variant);
        });
    }

    /** Of the first variant that has it by site. */
    static Figure bySite(Study study, String suffix) {
        String heading = "Influence by site";
        Optional<Variant> found = study.variants().stream().filter(variant -> !sites(variant).isEmpty()).findFirst();
        if (found.isEmpty()) {
            return Figure.missing(heading, "no variant has influences by site.");
        }
        Variant variant = found.get();
        List<String> sites = sites(variant);
        Panel panel = new Panel(UNIT, Axis.SIGNED_LOG, Double.NaN, "", Stream.of(BEFORE, AFTER).map(state -> {
            List<Spread> marks = new ArrayList<>();
            sites.forEach(site -> marks.add(spread(variant, state + "/" + site, state.equals(AFTER))));
            return new Series(state.equals(AFTER) ? "after" : "before", state.equals(AFTER) ? Style.BLUE : Style.GREY,
                    marks);
        }).toList());
        return new Figure(heading, List.of(new RowChart("influence-by-site" + suffix, heading + ": " + variant.name(),
                sites, List.of(panel))), BOXES + "One value a forget record at each site.");
    }

    private static List<String> sites(Variant variant) {
        return variant.results().stream().flatMap(result -> result.distributions().keySet().stream())
                .filter(name -> name.startsWith(BEFORE + "/")).map(name -> name.substring(BEFORE.length() + 1))
                .distinct().filter(site -> variant.distribution(BEFORE + "/" + site).length > 0).toList();
    }

    private static List<Variant> measured(Study study) {
        return study.erased().stream().filter(variant -> variant.distribution(BEFORE).length > 0
                && variant.distribution(AFTER).length > 0).toList();
    }

    private static Series series(String name, Style style, List<Variant> rows, String state, boolean filled) {
        return new Series(name, style, rows.stream().map(variant -> spread(variant, state, filled)).toList());
    }

    /** null without values. */
    private static Spread spread(Variant variant, String name, boolean filled) {
        double[] values = variant.distribution(name);
        return values.length == 0 ? null : new Spread(values, filled);
    }
}
