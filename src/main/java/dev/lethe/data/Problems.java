package dev.lethe.data;

import dev.lethe.engine.BadInputException;
import java.util.ArrayList;
import java.util.List;

/** Gathers what is wrong with an input, so that one run shows all of it: the first 20 in words, the rest as a count. */
final class Problems {
    private static final int SHOWN = 20;

    private final List<String> messages = new ArrayList<>();
    private long count;

    void add(String message) {
        if (count++ < SHOWN) {
            messages.add(message);
        }
    }

    void throwIfAny() {
        if (count > 0) {
            String more = count > SHOWN ? "\nand " + (count - SHOWN) + " more" : "";
            throw new BadInputException(String.join("\n", messages) + more);
        }
    }
}
