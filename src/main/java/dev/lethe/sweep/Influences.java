package dev.lethe.sweep;

import dev.lethe.strategy.InfluenceChange.Series;
import dev.lethe.sweep.Measurement.Numbers;
import java.util.List;

/** Influence before and after an erasure, one value a record: site by site, and summed over the sites. */
final class Influences {
    private Influences() { }

    /** {@code NAME.before}, {@code NAME.after}, the same with {@code /SITE} and with {@code .retain} for the retain sample. */
    static void put(List<Series> all, String name, Numbers numbers) {
        for (String group : List.of("forget", "retain")) {
            List<Series> chosen = all.stream().filter(series -> series.group().equals(group)).toList();
            if (chosen.isEmpty()) {
                continue;
            }
            String prefix = group.equals("forget") ? name : name + "." + group;
            double[] before = new double[chosen.getFirst().before().length];
            double[] after = new double[before.length];
            for (Series series : chosen) {
                numbers.distributions.put(prefix + ".before/" + series.site(), series.before());
                numbers.distributions.put(prefix + ".after/" + series.site(), series.after());
                for (int i = 0; i < before.length; i++) {
                    before[i] += series.before()[i];
                    after[i] += series.after()[i];
                }
            }
            numbers.distributions.put(prefix + ".before", before);
            numbers.distributions.put(prefix + ".after", after);
            numbers.put(prefix + ".before_mean", magnitude(before));
            numbers.put(prefix + ".after_mean", magnitude(after));
        }
    }

    private static double magnitude(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += Math.abs(value);
        }
        return sum / values.length;
    }
}
