package dev.lethe.settings;

import java.util.function.BiFunction;

/**
 * Steps of one rate and number, without backtracking and without a stop: what calibration is compared with.
 *
 * @param rate  of an ascent, on the direction as it is: the mean gradient of the forget records, or the task vector; of an
 *              objective, AdamW's learning rate
 * @param steps how many
 */
public record FixedRate(double rate, int steps) {
    /**
     * Validates.
     *
     * @throws IllegalArgumentException unless both are above 0
     */
    public FixedRate {
        if (!(rate > 0 && Double.isFinite(rate)) || steps < 1) {
            throw new IllegalArgumentException("a fixed rate of " + rate + " for " + steps
                    + " steps: the rate must be finite and above 0, the steps at least 1");
        }
    }

    /**
     * Parses {@code RATExSTEPS}, such as {@code 0.5x20}.
     *
     * @param text as it is written
     * @return the steps
     * @throws IllegalArgumentException for anything else
     */
    public static FixedRate parse(String text) {
        return parse(text, "fixed rate", "RATExSTEPS, for example 0.5x20", FixedRate::new);
    }

    /** Two numbers with an x between them. */
    static <T> T parse(String text, String what, String form, BiFunction<Double, Integer, T> make) {
        String[] halves = text.split("x", -1);
        try {
            if (halves.length == 2) {
                return make.apply(Double.parseDouble(halves[0]), Integer.parseInt(halves[1]));
            }
        } catch (NumberFormatException e) {
            // told below, as a missing x is
        }
        throw new IllegalArgumentException(what + " '" + text + "' is not of the form " + form);
    }

    @Override
    public String toString() {
        return rate + "x" + steps;
    }
}
