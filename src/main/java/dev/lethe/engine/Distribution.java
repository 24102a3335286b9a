package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;

/** What a random vector's elements are drawn from; all are independent, of mean 0 and variance 1. */
public enum Distribution {
    /** +1 or -1: the least variance in a Hutchinson estimate. */
    RADEMACHER(LetheNative.LETHE_RADEMACHER()),
    /** The standard normal. */
    NORMAL(LetheNative.LETHE_NORMAL());

    private final int code;

    Distribution(int code) {
        this.code = code;
    }

    int code() {
        return code;
    }
}
