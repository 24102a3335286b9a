package dev.lethe.page;

import java.util.Arrays;
import java.util.Locale;

/**
 * A mean over seeds with its 95 % interval by Student's t with n - 1 degrees of freedom, m ± t s/√n on the scale of its
 * {@link Quantity}, so that it never leaves the quantity's range. One value has a mean and no interval.
 *
 * @param mean of the values themselves, NaN without any; always within the interval
 * @param low  NaN with fewer than two values, then {@code high} too
 * @param n    values that are numbers
 */
public record Interval(double mean, double low, double high, int n) {
    public static final Interval NONE = new Interval(Double.NaN, Double.NaN, Double.NaN, 0);
    /** The 97.5th percentile for 1 to 9 degrees of freedom; from 10 on a series is right to six digits. */
    private static final double[] T = {12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004,
            2.262157};

    /** Of the values that are numbers. A value at the range's end has no scale: then it is plain, and cut at the ends. */
    public static Interval of(Quantity quantity, double... values) {
        double[] finite = Arrays.stream(values).filter(Double::isFinite).toArray();
        if (finite.length < 2) {
            return finite.length == 0 ? NONE : new Interval(finite[0], Double.NaN, Double.NaN, 1);
        }
        double mean = mean(finite);
        double[] scaled = Arrays.stream(finite).map(quantity::scale).toArray();
        boolean plain = !Arrays.stream(scaled).allMatch(Double::isFinite);
        double[] ends = ends(plain ? finite : scaled);
        double low = plain ? ends[0] : quantity.back(ends[0]);
        double high = plain ? ends[1] : quantity.back(ends[1]);
        // What is computed on another scale has another middle: the mean is taken in where it lies outside, or by rounding.
        return new Interval(mean, Math.min(mean, Math.max(quantity.least, low)), Math.max(mean, Math.min(quantity.most, high)),
                finite.length);
    }

    private static double[] ends(double[] values) {
        double mean = mean(values);
        double squares = Arrays.stream(values).map(value -> (value - mean) * (value - mean)).sum();
        double half = t(values.length - 1) * Math.sqrt(squares / (values.length - 1) / values.length);
        return new double[] {mean - half, mean + half};
    }

    private static double mean(double[] values) {
        return Arrays.stream(values).average().orElseThrow();
    }

    /** 97.5th percentile of Student's t: a table, then Cornish and Fisher's expansion around the normal's. */
    public static double t(int degrees) {
        if (degrees <= T.length) {
            return T[degrees - 1];
        }
        double z = 1.959963984540054;
        double z3 = z * z * z;
        double z5 = z3 * z * z;
        double z7 = z5 * z * z;
        double d = degrees;
        return z + (z3 + z) / (4 * d) + (5 * z5 + 16 * z3 + 3 * z) / (96 * d * d)
                + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * d * d * d)
                + (79 * z7 * z * z + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92160 * d * d * d * d);
    }

    /** Whether there is an interval, so that something can be decided. */
    public boolean decides() {
        return n > 1;
    }

    /** In another unit. */
    Interval times(double unit) {
        return new Interval(unit * mean, unit * low, unit * high, n);
    }

    /** As {@code 1.23 [1.10, 1.36]}; – without a value. @param format of one number */
    public String text(String format) {
        if (n == 0) {
            return "–";
        }
        String shown = number(format, mean);
        return decides() ? shown + " [" + number(format, low) + ", " + number(format, high) + "]" : shown;
    }

    private static String number(String format, double value) {
        String text = Double.isInfinite(value) ? "∞" : String.format(Locale.ROOT, Math.abs(value) < 1e7 ? format : "%.1e", value);
        return text.matches("-[0.]+") ? text.substring(1) : text.replace("-", "−");
    }
}
