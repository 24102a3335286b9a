package dev.lethe.settings;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A strategy's own numbers. Immutable.
 *
 * @param values by parameter, all that the strategy has
 */
public record Tuning(Map<Parameter, Double> values) {
    static final Tuning NONE = new Tuning(Map.of());
    /** An objective's that sees no retain record, and one's that does. */
    static final Tuning ALONE = of(Parameter.LEARNING_RATE, Parameter.FORGET_WEIGHT);
    static final Tuning BOTH = of(Parameter.LEARNING_RATE, Parameter.FORGET_WEIGHT, Parameter.RETAIN_WEIGHT);

    /**
     * Validates every value.
     *
     * @throws IllegalArgumentException naming the first out of range
     */
    public Tuning {
        Map<Parameter, Double> sorted = new EnumMap<>(Parameter.class);
        values.forEach((parameter, value) -> sorted.put(parameter, parameter.require(value)));
        values = Collections.unmodifiableMap(sorted);
    }

    /** With their usual values. */
    static Tuning of(Parameter... own) {
        Tuning tuning = NONE;
        for (Parameter parameter : own) {
            tuning = tuning.and(parameter, parameter.usual());
        }
        return tuning;
    }

    /** With one more, or another value of one. */
    Tuning and(Parameter parameter, double value) {
        Map<Parameter, Double> more = new EnumMap<>(Parameter.class);
        more.putAll(values);
        more.put(parameter, value);
        return new Tuning(more);
    }

    /**
     * {@return whether the strategy has such a number}
     *
     * @param parameter which
     */
    public boolean has(Parameter parameter) {
        return values.containsKey(parameter);
    }

    /**
     * {@return its value}
     *
     * @param parameter which
     * @throws IllegalArgumentException when the strategy has none
     */
    public double get(Parameter parameter) {
        if (!has(parameter)) {
            throw new IllegalArgumentException(parameter.label() + " is no number of this strategy");
        }
        return values.get(parameter);
    }

    /**
     * {@return the same with another value}
     *
     * @param parameter one that the strategy has
     * @param value     its value
     * @throws IllegalArgumentException when the strategy has none, or the value is out of range
     */
    public Tuning with(Parameter parameter, double value) {
        get(parameter);
        return and(parameter, value);
    }

    @JsonValue
    Map<String, Double> named() {
        Map<String, Double> named = new LinkedHashMap<>();
        values.forEach((parameter, value) -> named.put(parameter.label(), value));
        return named;
    }

    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    static Tuning read(Map<String, Double> named) {
        Map<Parameter, Double> values = new EnumMap<>(Parameter.class);
        named.forEach((label, value) -> values.put(Parameter.parse(label), value));
        return new Tuning(values);
    }
}
