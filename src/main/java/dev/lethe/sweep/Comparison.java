/*
 * Sets each cell beside others' numbers: the model retrained with its seed (forget quality, privleak, relearning, loss
 * gaps, reference attack), the trained model as it was (utility kept), and retrained models of other seeds (KLoM, U-LiRA).
 * Arithmetic over results that are already there; nothing is run.
 */
package dev.lethe.sweep;

import dev.lethe.metric.Auc;
import dev.lethe.metric.ForgetQuality;
import dev.lethe.metric.Klom;
import dev.lethe.metric.LogitMargin;
import dev.lethe.metric.PrivacyLeak;
import dev.lethe.metric.ULira;
import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import dev.lethe.spec.Cells;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

final class Comparison {
    private final List<CellResult> results;
    private final List<CellResult> oracles;

    /** @param oracles retrained models of seeds that are not the study's; its own retrained ones are taken from the results */
    private Comparison(List<CellResult> results, List<CellResult> oracles) {
        this.results = results;
        this.oracles = new ArrayList<>(oracles);
        results.stream().filter(result -> result.cell().strategy().equals(Cells.RETRAIN)).forEach(this.oracles::add);
    }

    /** The results with the numbers of their comparison, in the same order; {@code oracles} is empty where none are wanted. */
    static List<CellResult> of(List<CellResult> results, List<CellResult> oracles, boolean asked) {
        Comparison comparison = new Comparison(results, oracles);
        return results.stream().map(result -> comparison.compared(result, asked)).toList();
    }

    private CellResult compared(CellResult result, boolean asked) {
        Map<String, Double> metrics = new LinkedHashMap<>(result.metrics());
        CellResult retrained = reference(result.cell(), Cells.RETRAIN);
        CellResult original = reference(result.cell(), Cells.ORIGINAL);
        if (retrained != null) {
            beside(retrained, result, metrics);
        }
        if (original != null) {
            share(metrics, "utility.share", result, original, "model_utility");
            share(metrics, "retain_utility.share", result, original, "retain_utility");
            share(metrics, "distance.share", result, original, "distance.retrained");
        }
        if (asked) {
            oracles(result, metrics);
        }
        metrics.values().removeIf(value -> !Double.isFinite(value));
        return new CellResult(result.id(), result.cell(), result.variant(), metrics, result.curve(), result.distributions(),
                result.reached(), result.note());
    }

    private static void beside(CellResult retrained, CellResult result, Map<String, Double> metrics) {
        double[] mine = result.distributions().get("truth_ratio.forget");
        double[] theirs = retrained.distributions().get("truth_ratio.forget");
        if (mine != null && theirs != null) {
            ForgetQuality quality = ForgetQuality.of(mine, theirs);
            metrics.put("forget_quality", quality.pValue());
            metrics.put("forget_quality.distance", quality.statistic());
        }
        Double auc = result.metrics().get("mia.min_k");
        Double other = retrained.metrics().get("mia.min_k");
        if (auc != null && other != null) {
            metrics.put("privleak", PrivacyLeak.percent(auc, other));
            metrics.put("rel_diff", PrivacyLeak.relativeDifference(auc, other));
            metrics.put("mia.reference", referenceAuc(result, retrained));
        }
        share(metrics, "relearn.share", result, retrained, "relearn.loss");
        for (String set : List.of("forget.loss", "retain.loss", "heldout.loss", "base_text.loss")) {
            if (result.metrics().containsKey(set) && retrained.metrics().containsKey(set)) {
                metrics.put(set + "_gap", result.metrics().get(set) - retrained.metrics().get(set));
            }
        }
    }

    /** Loss less the retrained model's, forget records against held-out ones; low means learned (Carlini et al. 2021). */
    private static double referenceAuc(CellResult result, CellResult retrained) {
        return Auc.of(less(result, retrained, "loss.heldout"), less(result, retrained, "loss.forget"));
    }

    private static double[] less(CellResult result, CellResult retrained, String name) {
        double[] values = result.distributions().get(name).clone();
        double[] others = retrained.distributions().get(name);
        for (int i = 0; i < values.length; i++) {
            values[i] -= others[i];
        }
        return values;
    }

    private static void share(Map<String, Double> metrics, String name, CellResult result, CellResult whole, String metric) {
        Double part = result.metrics().get(metric);
        Double all = whole.metrics().get(metric);
        if (part != null && all != null && all != 0) {
            metrics.put(name, part / all);
        }
    }

    /** One unlearned model by itself, then all seeds of the variant together. */
    private void oracles(CellResult result, Map<String, Double> metrics) {
        double[][] others = oracles.stream().filter(oracle -> oracle.cell().forget().equals(result.cell().forget())
                && oracle.cell().head().equals(result.cell().head()) && oracle.cell().seed() != result.cell().seed())
                .map(oracle -> margins(oracle, "loss.forget")).filter(Objects::nonNull).toArray(double[][]::new);
        double[] own = margins(result, "loss.forget");
        if (others.length < 2 || own == null) {
            return;
        }
        Klom.Result klom = Klom.of(new double[][] {own}, others);
        metrics.put("klom", klom.klom().aggregate());
        metrics.put("klom.percentile95", klom.percentile95());
        metrics.put("klom.floor", klom.floor());
        metrics.put("klom.oracles", (double) others.length);
        if (result.cell().strategy().equals(Cells.RETRAIN)) {
            return; // retrained models against themselves say nothing
        }
        double[][] seeds = results.stream().filter(other -> other.variant().equals(result.variant())
                && other.cell().forget().equals(result.cell().forget()) && other.cell().head().equals(result.cell().head()))
                .map(other -> margins(other, "loss.forget")).filter(Objects::nonNull).toArray(double[][]::new);
        if (seeds.length >= 2) {
            metrics.put("klom.normal", Klom.of(seeds, others).normal().aggregate());
        }
        if (seeds.length >= 3 && others.length >= 3) {
            ULira.Result attack = ULira.attack(seeds, others);
            metrics.put("ulira.accuracy", attack.accuracy().aggregate());
            metrics.put("ulira.auc", attack.auc().aggregate());
            metrics.put("ulira.detectable", attack.detectable());
        }
    }

    private static double[] margins(CellResult result, String name) {
        double[] losses = result.distributions().get(name);
        return losses == null ? null : LogitMargin.of(losses);
    }

    private CellResult reference(Cell cell, String strategy) {
        return results.stream().filter(other -> other.cell().strategy().equals(strategy)
                && other.cell().seed() == cell.seed() && other.cell().head().equals(cell.head())
                && other.cell().forget().equals(cell.forget())).findFirst().orElse(null);
    }
}
