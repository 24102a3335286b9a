package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;

/** The flat buffers of a model, each {@link LanguageModel#flatSize()} elements of the model's dtype. */
public enum Buffer {
    PARAMETERS(LetheNative.LETHE_PARAMETERS()),
    /** Of the last gradient call. */
    GRADIENT(LetheNative.LETHE_GRADIENT()),
    /** AdamW's running mean of gradients; exists from the first step or write on. */
    MOMENT1(LetheNative.LETHE_MOMENT1()),
    /** AdamW's running mean of squared gradients; exists from the first step or write on. */
    MOMENT2(LetheNative.LETHE_MOMENT2());

    private final int code;

    Buffer(int code) {
        this.code = code;
    }

    int code() {
        return code;
    }
}
