package dev.lethe.page;

import dev.lethe.chart.HeatMap;
import dev.lethe.chart.HeatMap.Panel;
import dev.lethe.chart.HeatMap.Shades;
import dev.lethe.report.Section.Figure;
import dev.lethe.spec.Cell;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Measures over two choices: strategy and sites, and a fixed rate and its steps. */
final class GridFigures {
    private static final Pattern FIXED = Pattern.compile("fixed:([0-9.eE+-]+)x([0-9]+)");
    private static final int MOST = 6;

    private GridFigures() { }

    static boolean isFixed(Variant variant) {
        return FIXED.matcher(variant.cell().calibration()).matches();
    }

    /** How far each strategy ends from the retrained model on each selection of sites. */
    static Figure sites(Study study, String suffix) {
        String heading = "Strategy and sites";
        List<Variant> all = study.erased().stream().filter(variant -> !isFixed(variant)
                && variant.has("forget.loss")).toList();
        Map<Cell, Map<String, Variant>> rows = new LinkedHashMap<>();
        all.forEach(variant -> rows.computeIfAbsent(everywhere(variant.cell()), way -> new LinkedHashMap<>())
                .put(variant.cell().sites(), variant));
        rows.values().removeIf(row -> row.size() < 2);
        List<String> sites = rows.values().stream().flatMap(row -> row.keySet().stream()).distinct()
                .sorted(Comparator.comparing(GridFigures::order)).toList();
        if (rows.isEmpty()) {
            return Figure.missing(heading, "no strategy was measured on two selections of sites.");
        }
        boolean beside = rows.values().stream().flatMap(row -> row.values().stream())
                .anyMatch(variant -> study.retrained(variant).isPresent());
        List<Map<String, Variant>> grid = List.copyOf(rows.values());
        List<Panel> panels = new ArrayList<>();
        for (String set : List.of("forget", "retain")) {
            String metric = set + ".loss";
            add(panels, beside ? panel(set + " loss minus the retrained model's, nats", Shades.SIGN, grid, sites,
                    variant -> study.retrained(variant).map(reference -> variant.minus(reference, metric))
                    .orElse(Interval.NONE)) : panel(set + " loss, nats", Shades.SIZE, grid, sites,
                    variant -> variant.of(metric)));
        }
        add(panels, panel("relearning, share of the retrained model's loss", Shades.SHARE, grid, sites,
                variant -> variant.of("relearn.share")));
        return new Figure(heading, List.of(new HeatMap("strategy-sites" + suffix, heading, "strategy",
                "sites that move", rows.keySet().stream().map(way -> name(way, rows.keySet())).toList(), sites,
                panels)), (beside ? "Forget loss: below 0 it knows more than the retrained "
                + "model, above 0 it was pushed too far; retain loss: above 0 it was harmed. "
                : "Without a retrained model the losses stand alone. ")
                + "Small: the 95 % interval over seeds, paired by seed. "
                + "– = not measured.");
    }

    /** Losses after ascent with a fixed rate for a fixed number of steps, one map a way to ascend. */
    static Figure fixedRates(Study study, String suffix) {
        String heading = "Ascent at a fixed rate";
        Map<Cell, List<Variant>> grids = new LinkedHashMap<>();
        for (Variant variant : study.erased()) {
            if (isFixed(variant) && variant.has("forget.loss")) {
                grids.computeIfAbsent(grid(variant.cell()), cell -> new ArrayList<>()).add(variant);
            }
        }
        grids.values().removeIf(grid -> grid.size() < 2);
        if (grids.isEmpty()) {
            return Figure.missing(heading, "no way to ascend was measured at two fixed rates or numbers of steps.");
        }
        List<Cell> ways = List.copyOf(grids.keySet());
        List<HeatMap> maps = new ArrayList<>();
        for (Cell way : ways.subList(0, Math.min(MOST, ways.size()))) {
            String more = Study.differing(way, ways, "strategy", "sites");
            maps.add(map(study, "rate-steps" + suffix + (ways.size() > 1 ? "-" + (maps.size() + 1) : ""),
                    heading + ", " + way.strategy() + " on " + way.sites() + (more.isEmpty() ? "" : " · " + more),
                    grids.get(way)));
        }
        Interval forget = study.retrained(grids.get(ways.getFirst()).getFirst()).map(r -> r.of("forget.loss"))
                .orElse(Interval.NONE);
        Interval retain = study.retrained(grids.get(ways.getFirst()).getFirst()).map(r -> r.of("retain.loss"))
                .orElse(Interval.NONE);
        return new Figure(heading, maps, "Means over seeds; small: the 95 % interval. "
                + (forget.n() > 0 ? "The retrained model: forget " + forget.text("%.2f") + ", retain "
                + retain.text("%.2f") + ". " : "") + (ways.size() > MOST ? ways.size() - MOST
                + " more grids are in tables/variants.csv." : ""));
    }

    private static HeatMap map(Study study, String name, String title, List<Variant> variants) {
        List<String> rates = variants.stream().map(variant -> part(variant, 1)).distinct()
                .sorted(Comparator.comparingDouble(Double::parseDouble)).toList();
        List<String> steps = variants.stream().map(variant -> part(variant, 2)).distinct()
                .sorted(Comparator.comparingInt(Integer::parseInt)).toList();
        List<Map<String, Variant>> grid = new ArrayList<>();
        for (String rate : rates) {
            Map<String, Variant> row = new LinkedHashMap<>();
            variants.stream().filter(variant -> part(variant, 1).equals(rate))
                    .forEach(variant -> row.put(part(variant, 2), variant));
            grid.add(row);
        }
        List<Panel> panels = new ArrayList<>();
        add(panels, panel("forget loss, nats", Shades.SIZE, grid, steps, variant -> variant.of("forget.loss")));
        add(panels, panel("retain loss, nats", Shades.SIZE, grid, steps, variant -> variant.of("retain.loss")));
        return new HeatMap(name, title, "rate", "steps", rates, steps, panels);
    }

    private static String part(Variant variant, int group) {
        Matcher matcher = FIXED.matcher(variant.cell().calibration());
        if (!matcher.matches()) {
            throw new IllegalArgumentException(variant.cell().calibration());
        }
        return matcher.group(group);
    }

    /** What tells a row from the others; the strategy's name stands first. */
    private static String name(Cell way, Collection<Cell> ways) {
        String more = Study.differing(way, List.copyOf(ways), "strategy");
        return way.strategy() + (more.isEmpty() ? "" : " · " + more);
    }

    private static Cell everywhere(Cell cell) {
        return new Cell(0, cell.head(), cell.forget(), cell.strategy(), "", cell.epochs(), cell.matching(),
                cell.calibration(), cell.contrast(), cell.repair(), cell.options());
    }

    /** The way to ascend whose rate and steps a cell fixes. */
    static Cell grid(Cell cell) {
        return new Cell(0, cell.head(), cell.forget(), cell.strategy(), cell.sites(), cell.epochs(), cell.matching(),
                "fixed", cell.contrast(), cell.repair(), cell.options());
    }

    private static Panel panel(String label, Shades shades, List<Map<String, Variant>> rows, List<String> columns,
                               Function<Variant, Interval> measured) {
        double[][] values = new double[rows.size()][columns.size()];
        String[][] below = new String[rows.size()][columns.size()];
        for (int r = 0; r < rows.size(); r++) {
            for (int c = 0; c < columns.size(); c++) {
                Variant variant = rows.get(r).get(columns.get(c));
                Interval interval = variant == null ? Interval.NONE : measured.apply(variant);
                values[r][c] = interval.mean();
                below[r][c] = interval.decides() ? String.format(Locale.ROOT, "%.2g to %.2g",
                        interval.low(), interval.high()).replace("-", "−") : "";
            }
        }
        return new Panel(label, shades, values, below);
    }

    private static void add(List<Panel> panels, Panel panel) {
        for (double[] row : panel.values()) {
            for (double value : row) {
                if (Double.isFinite(value)) {
                    panels.add(panel);
                    return;
                }
            }
        }
    }

    /** Embedding and head first, blocks by number, then the rest. */
    private static String order(String sites) {
        Matcher block = Pattern.compile("block:([0-9]+).*").matcher(sites);
        String kind = sites.startsWith("embedding") ? "0" : sites.equals("head") ? "1" : block.matches() ? "2" : "3";
        return kind + (block.matches() ? String.format(Locale.ROOT, "%06d", Long.parseLong(block.group(1))) : "") + sites;
    }
}
