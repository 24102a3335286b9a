package dev.lethe.metric;

import dev.lethe.metric.Klom.Gaussian;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * U-LiRA (Hayes et al. 2024, arXiv 2403.01218), the per-example likelihood-ratio attack on unlearning: given one model,
 * was the record learned and then unlearned, or never learned? For each record a normal distribution is fitted to its
 * margin ({@link LogitMargin}) under models that unlearned it and another under models retrained without it, and a left
 * out model is judged by {@code log N(phi; unlearned) - log N(phi; retrained) > 0}. Accuracy and AUC of 0.5: the
 * unlearned models cannot be told from retrained ones, 1: always.
 *
 * <p>Model i of both sides is left out together, and judged by fits on all others. Leaving out one model alone would pull
 * its own side's fit away from it and push the accuracy of a perfect erasure below 0.5. Below
 * {@value #OWN_DEVIATION_FROM} models a side the deviation is shared by all records of a side (root of the mean variance),
 * as Carlini et al. 2022 (arXiv 2112.03570, section VI) do for want of models; the means are always each record's own.
 */
public final class ULira {
    /** So many models a side give each record a deviation of its own: the 64 of Carlini et al. */
    public static final int OWN_DEVIATION_FROM = 64;

    /** Models without the records that {@link #offline} fits to. */
    public static final int LEAST_OFFLINE = 2;

    private static final double LEAST_DEVIATION = 1e-6;
    /** One-sided 5 % and 80 % power: z(0.95) + z(0.8). */
    private static final double FIVE_PERCENT_EIGHTY_POWER = 1.6449 + 0.8416;

    private ULira() {}

    /**
     * @param accuracy   share of the left-out models judged rightly; by record, and the mean over them
     * @param auc        AUC of the log ratios of a record's left-out models, unlearned against retrained, by record; the
     *                   aggregate pools the ratios of all records
     * @param detectable the shift of a record's margin, in standard deviations over models, that so many models find in
     *                   four cases of five at 5 % false alarms; smaller ones go unseen
     */
    public record Result(MetricValues accuracy, MetricValues auc, double detectable) {}

    /**
     * @param unlearned margins, [models][records], at least three models: trained with the records, then unlearned
     * @param retrained margins of the same records, [models][records], at least three: trained without them
     * @throws IllegalArgumentException for fewer models, saying how many there are
     */
    public static Result attack(double[][] unlearned, double[][] retrained) {
        int records = LogitMargin.requireMatrix("U-LiRA, unlearned models", unlearned);
        MetricValues.requireSameLength("U-LiRA", records, LogitMargin.requireMatrix("U-LiRA, retrained models", retrained));
        int folds = Math.min(unlearned.length, retrained.length);
        if (folds < 3) {
            throw new IllegalArgumentException("U-LiRA needs at least 3 unlearned and 3 retrained models (one to judge, two to"
                    + " fit), got " + unlearned.length + " and " + retrained.length + "; train more, or use another attack");
        }
        double[][] ofUnlearned = new double[records][folds]; // log ratios
        double[][] ofRetrained = new double[records][folds];
        for (int fold = 0; fold < folds; fold++) {
            Gaussian[] in = fits(without(unlearned, fold));
            Gaussian[] out = fits(without(retrained, fold));
            for (int r = 0; r < records; r++) {
                ofUnlearned[r][fold] = ratio(in[r], out[r], unlearned[fold][r]);
                ofRetrained[r][fold] = ratio(in[r], out[r], retrained[fold][r]);
            }
        }
        double detectable = FIVE_PERCENT_EIGHTY_POWER * Math.sqrt(1.0 / unlearned.length + 1.0 / retrained.length);
        return new Result(accuracy(ofUnlearned, ofRetrained), auc(ofUnlearned, ofRetrained), detectable);
    }

    /**
     * LiRA for one model where only models without the records are there (Carlini et al. 2022, section V, offline): by how many
     * standard deviations of theirs the model's margin exceeds their mean, for each record. High means "looks trained on". Compare
     * the records in question with others that neither saw.
     *
     * @param model     its margins, [records]
     * @param retrained margins of the same records, [models][records], at least two
     */
    public static double[] offline(double[] model, double[][] retrained) {
        MetricValues.requireSameLength("LiRA", model.length, LogitMargin.requireMatrix("LiRA, retrained models", retrained));
        if (retrained.length < LEAST_OFFLINE) {
            throw new IllegalArgumentException("LiRA needs at least " + LEAST_OFFLINE + " retrained models, got " + retrained.length);
        }
        Gaussian[] fits = fits(retrained);
        return IntStream.range(0, model.length)
                .mapToDouble(r -> (model[r] - fits[r].mean()) / fits[r].deviation()).toArray();
    }

    private static double ratio(Gaussian in, Gaussian out, double margin) {
        return in.logDensity(margin) - out.logDensity(margin);
    }

    /** One a record. */
    private static Gaussian[] fits(double[][] margins) {
        Gaussian[] fits = new Gaussian[margins[0].length];
        double variance = 0;
        for (int r = 0; r < fits.length; r++) {
            fits[r] = Gaussian.fit(LogitMargin.column(margins, r));
            variance += fits[r].deviation() * fits[r].deviation() / fits.length;
        }
        boolean shared = margins.length + 1 < OWN_DEVIATION_FROM;
        for (int r = 0; r < fits.length; r++) {
            double deviation = shared ? Math.sqrt(variance) : fits[r].deviation();
            fits[r] = new Gaussian(fits[r].mean(), Math.max(deviation, LEAST_DEVIATION));
        }
        return fits;
    }

    private static double[][] without(double[][] models, int left) {
        List<double[]> others = new ArrayList<>(Arrays.asList(models));
        others.remove(left);
        return others.toArray(double[][]::new);
    }

    private static MetricValues accuracy(double[][] ofUnlearned, double[][] ofRetrained) {
        double[] byRecord = new double[ofUnlearned.length];
        for (int r = 0; r < byRecord.length; r++) {
            for (int fold = 0; fold < ofUnlearned[r].length; fold++) {
                byRecord[r] += right(ofUnlearned[r][fold], ofRetrained[r][fold]) / ofUnlearned[r].length;
            }
        }
        return MetricValues.mean(byRecord);
    }

    /** Share of a pair judged rightly; a ratio of exactly 0 is a coin toss. */
    private static double right(double ofUnlearned, double ofRetrained) {
        return (1 + Math.signum(ofUnlearned)) / 4 + (1 - Math.signum(ofRetrained)) / 4;
    }

    private static MetricValues auc(double[][] ofUnlearned, double[][] ofRetrained) {
        double[] byRecord = IntStream.range(0, ofUnlearned.length)
                .mapToDouble(r -> Auc.of(ofUnlearned[r], ofRetrained[r])).toArray();
        return new MetricValues(Auc.of(pooled(ofUnlearned), pooled(ofRetrained)), byRecord);
    }

    private static double[] pooled(double[][] ratios) {
        return Arrays.stream(ratios).flatMapToDouble(Arrays::stream).toArray();
    }
}
