package dev.lethe.chart;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Maps values to 0..1 along an axis, and chooses round ticks. Linear; logarithmic for positive values; or signed
 * logarithmic, linear below a threshold, for values that span magnitudes on both sides of zero.
 */
public record Scale(Kind kind, double low, double high, double linear) {
    enum Kind { LINEAR, LOG, SIGNED_LOG }

    /** A tick and what stands beside it. */
    record Tick(double value, String label) {}

    public static Scale linear(double low, double high) {
        double margin = high > low ? 0 : Math.max(1, Math.abs(low)) / 2;
        return new Scale(Kind.LINEAR, low - margin, high + margin, 0);
    }

    /** @param low above 0 */
    static Scale log(double low, double high) {
        return new Scale(Kind.LOG, low, high > low * 1.01 ? high : low * 2, 0);
    }

    /** @param linear magnitude below which the axis is linear, above 0 */
    public static Scale signedLog(double low, double high, double linear) {
        return new Scale(Kind.SIGNED_LOG, Math.min(low, -linear), Math.max(high, linear), linear);
    }

    /**
     * An axis that shows these values with a little room; logarithmic only when all of them are above 0.
     *
     * @param from   a linear axis starts here at the latest, such as 0; NaN = where the values do
     */
    static Scale around(double[] values, boolean log, double from) {
        double[] finite = Arrays.stream(values).filter(Double::isFinite).sorted().toArray();
        if (finite.length == 0) {
            return linear(0, 1);
        }
        double low = finite[0];
        double high = finite[finite.length - 1];
        if (log && low > 0) {
            double room = Math.max(1.1, Math.pow(high / low, 0.05));
            return log(low / room, high * room);
        }
        low = Double.isNaN(from) ? low : Math.min(low, from);
        double room = high > low ? 0.05 * (high - low) : 0;
        return linear(low == from ? low : low - room, high + room);
    }

    /** Position of a value, 0 at the low end. */
    public double at(double value) {
        double from = bend(low);
        return (bend(value) - from) / (bend(high) - from);
    }

    private double bend(double value) {
        return switch (kind) {
            case LINEAR -> value;
            case LOG -> Math.log10(value);
            case SIGNED_LOG -> Math.signum(value) * Math.log10(1 + Math.abs(value) / linear);
        };
    }

    List<Tick> ticks() {
        return switch (kind) {
            case LINEAR -> linearTicks();
            case LOG -> logTicks();
            case SIGNED_LOG -> signedTicks();
        };
    }

    private List<Tick> linearTicks() {
        double step = Math.pow(10, Math.floor(Math.log10((high - low) / 4)));
        for (double factor : new double[] {1, 2, 2.5, 5, 10}) {
            if ((high - low) / (step * factor) <= 6) {
                step *= factor;
                break;
            }
        }
        List<Tick> ticks = new ArrayList<>();
        for (long i = (long) Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
            ticks.add(tick(i * step));
        }
        return ticks;
    }

    private List<Tick> logTicks() {
        double decades = Math.log10(high / low);
        double[] factors = decades > 3 ? new double[] {1} : decades > 1 ? new double[] {1, 2, 5}
                : new double[] {1, 1.5, 2, 3, 4, 5, 7};
        List<Tick> ticks = new ArrayList<>();
        for (int power = (int) Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
            for (double factor : factors) {
                double value = factor * Math.pow(10, power);
                if (value >= low * 0.999 && value <= high * 1.001) {
                    ticks.add(tick(value));
                }
            }
        }
        return ticks;
    }

    private List<Tick> signedTicks() {
        List<Tick> ticks = new ArrayList<>();
        ticks.add(new Tick(0, "0"));
        int top = (int) Math.floor(Math.log10(Math.max(high, -low)));
        int bottom = (int) Math.ceil(Math.log10(linear));
        int stride = Math.max(1, (top - bottom + 3) / 3);
        for (int power = top; power >= bottom; power -= stride) {
            double value = Math.pow(10, power);
            if (value <= high) {
                ticks.add(tick(value));
            }
            if (-value >= low) {
                ticks.add(tick(-value));
            }
        }
        return ticks;
    }

    private static Tick tick(double value) {
        double size = Math.abs(value);
        String label = size == 0 || size < 1e-12 ? "0"
                : size >= 1e6 || size < 1e-3 ? String.format(Locale.ROOT, "%.0e", value)
                : size >= 1000 && value == Math.rint(value) ? String.format(Locale.ROOT, "%,.0f", value)
                : BigDecimal.valueOf(value).round(new MathContext(4)).stripTrailingZeros().toPlainString();
        return new Tick(value, label);
    }
}
