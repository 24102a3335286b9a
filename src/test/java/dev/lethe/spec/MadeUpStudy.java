package dev.lethe.spec;

import dev.lethe.spec.CellResult.CurvePoint;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Results as a study of two heads and many variants could have them; every number is made up. */
final class MadeUpStudy {
    private final SplittableRandom random = new SplittableRandom(7);
    private final List<CellResult> results = new ArrayList<>();
    private final String forget;
    private long seed;

    private MadeUpStudy(String forget) {
        this.forget = forget;
    }

    static List<CellResult> of(int seeds, String... forgetSets) {
        List<CellResult> all = new ArrayList<>();
        for (String forget : forgetSets) {
            MadeUpStudy study = new MadeUpStudy(forget);
            for (study.seed = 0; study.seed < seeds; study.seed++) {
                study.run("tied");
                study.run("untied");
            }
            all.addAll(study.results);
        }
        return all;
    }

    private void run(String head) {
        add(head, "original", "", "", "", "", 0, 0.65, 0.72, 1);
        add(head, "retrain", "", "", "", "", 0, 6.4, 0.80, 1);
        for (String epochs : List.of("first", "all", "7")) {
            for (String sites : List.of("embedding", "head", "block:0", "block:1", "block:2", "block:3", "block:2,3",
                    "all", "attention", "mlp")) {
                boolean weak = sites.startsWith("block") && head.equals("tied");
                add(head, epochs.equals("first") ? "first-epoch" : "multi-epoch", sites, epochs, "ids", "calibrated", 1,
                        weak ? 0.9 + noise(0.05) : 6.2 + noise(0.2), (epochs.equals("first") ? 0.85 : 1.3)
                        + noise(0.02), 0.6);
            }
        }
        if (head.equals("untied")) {
            return;
        }
        for (String strategy : List.of("grad-ascent", "grad-diff", "kl", "npo", "simnpo", "rmu", "task-vector",
                "gauss-newton")) {
            add(head, strategy, "all", "", "ids", "calibrated", 0, 4 + random.nextDouble(4), 0.8
                    + random.nextDouble(1.2), 0.3 + random.nextDouble(0.6));
        }
        for (String matching : List.of("fuzzy:70", "fuzzy:85", "iterative")) {
            add(head, "first-epoch", "embedding", "first", matching, "calibrated", 1, 6 + noise(0.2), 0.9 + noise(0.05),
                    matching.equals("iterative") ? 0.85 : 0.5);
        }
        for (String rate : List.of("1e-4", "3e-4", "1e-3", "3e-3", "1e-2")) {
            for (String steps : List.of("1", "3", "10", "30")) {
                double push = Double.parseDouble(rate) * Double.parseDouble(steps) * 60;
                add(head, "first-epoch", "embedding", "first", "ids", "fixed:" + rate + "x" + steps, 1,
                        0.65 + 12 * push / (1 + push), 0.72 + 0.8 * push, 0.4);
            }
        }
    }

    private void add(String head, String strategy, String sites, String epochs, String matching, String calibration,
            int repair, double forgetLoss, double retainLoss, double relearn) {
        boolean moves = !sites.isEmpty();
        Map<String, Double> metrics = new LinkedHashMap<>();
        double f = forgetLoss + noise(0.1);
        double r = retainLoss + noise(0.03);
        metrics.put("forget.loss", f);
        metrics.put("retain.loss", r);
        metrics.put("heldout.loss", 7.3 + noise(0.2));
        metrics.put("forget.rougeL", Math.max(0.05, 1 - f / 7 + noise(0.05)));
        metrics.put("retain.rougeL", Math.max(0.05, 1.08 - r / 7 + noise(0.02)));
        metrics.put("heldout.rougeL", 0.2 + noise(0.02));
        metrics.put("model_utility", Math.max(0.05, 0.66 - 0.1 * (r - 0.7) + noise(0.01)));
        if (moves || strategy.equals("original")) {
            metrics.put("forget_quality", Math.pow(10, -Math.abs(f - 6.4) * 3 - random.nextDouble()));
        }
        metrics.put("mia.loss", Math.clamp(1 - f / 13 + noise(0.03), 0, 1));
        metrics.put("mia.min_k", Math.clamp(1 - f / 13 + noise(0.03), 0, 1));
        metrics.put("klom", Math.abs(f - 6.4) + 0.3);
        metrics.put("relearn.loss", relearn * 5.2 + noise(0.1));
        if (!strategy.equals("retrain")) {
            metrics.put("relearn.share", strategy.equals("original") ? 0.21 : relearn + noise(0.03));
        }
        metrics.put("cost.steps", moves ? 40.0 + random.nextInt(30) : 2250);
        metrics.put("cost.share", moves ? 0.02 + random.nextDouble(0.1) : 1.0);
        metrics.put("cost.seconds", moves ? 8 + random.nextDouble(20) : 700);
        if (moves && !epochs.isEmpty()) {
            metrics.put("cost.ledger_bytes", sites.equals("all") ? 9.1e8 : sites.equals("embedding") ? 2.2e8 : 0.9e8);
        }
        metrics.put("klom.unknown", Double.NaN);
        Map<String, double[]> distributions = new LinkedHashMap<>();
        List<CurvePoint> curve = new ArrayList<>();
        if (moves) {
            movement(strategy, sites, epochs, matching + calibration, f, r, distributions, curve);
        }
        Cell cell = new Cell(seed, head, forget, strategy, sites, epochs, matching, calibration, moves ? "span:50"
                : "none", repair, "");
        String variant = !moves ? strategy : strategy + " · " + sites + (epochs.isEmpty() || epochs.equals("first")
                ? "" : " · e" + epochs) + (matching.equals("ids") ? "" : " · " + matching)
                + (calibration.equals("calibrated") ? "" : " · " + calibration);
        boolean reached = f > 6;
        results.add(new CellResult("%016x".formatted(results.size()), cell, variant, metrics, curve, distributions,
                reached || !moves, reached || !moves || seed > 0 ? ""
                : "stopped by the guard: retain perplexity rose < 5 %"));
    }

    private void movement(String strategy, String sites, String epochs, String how, double f, double r, Map<String,
            double[]> distributions, List<CurvePoint> curve) {
        distributions.put("influence.before", random.doubles(20).map(v -> 60 * v * v + 3).toArray());
        distributions.put("influence.after", random.doubles(20).map(v -> 3 * v * v - 0.6).toArray());
        distributions.put("influence.retain.before", random.doubles(40).map(v -> 6 * v - 3).toArray());
        distributions.put("influence.retain.after", random.doubles(40).map(v -> 6 * v - 3.2).toArray());
        distributions.put("influence_act_grad.before", random.doubles(20).map(v -> v * v + 0.2).toArray());
        distributions.put("influence_act_grad.after", random.doubles(20).map(v -> 0.1 * v - 0.03).toArray());
        for (String site : List.of("wte", "h.0.mlp.c_fc", "h.3.mlp.c_fc", "lm_head")) {
            distributions.put("influence.before/" + site, random.doubles(20).map(v -> 20 * v * v).toArray());
            distributions.put("influence.after/" + site, random.doubles(20).map(v -> v - 0.3).toArray());
        }
        if (how.equals("idscalibrated") && sites.equals(strategy.equals("npo") ? "all" : "embedding")
                && epochs.length() != 1) {
            for (String measure : List.of("forget.loss", "retain.loss", "model_utility")) {
                distributions.put("sequential." + measure, random.doubles(21).map(v ->
                        measure.equals("model_utility") ? 0.6 + 0.05 * v : measure.equals("forget.loss") ? 6 + v : 0.8
                                + 0.1 * v).toArray());
            }
        }
        int steps = 12 + random.nextInt(10);
        for (int i = 0; i <= steps; i++) {
            double share = (double) i / steps;
            curve.add(new CurvePoint(i, i == 0 ? "start" : i % 2 == 1 ? "ascent" : "repair", 0.65 + (f - 0.65) * share,
                    r + 0.4 * Math.sin(Math.PI * share), i % 4 == 0 ? 7.3 : Double.NaN, 40 * Math.exp(-3 * share)
                    + 0.5));
        }
    }

    private double noise(double size) {
        return (random.nextDouble() - 0.5) * 2 * size;
    }
}
