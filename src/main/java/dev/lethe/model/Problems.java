package dev.lethe.model;

import dev.lethe.engine.BadInputException;
import java.util.ArrayList;
import java.util.List;

/** Gathers what is wrong with a file, so that one run shows all of it: the first 20 in words, the rest as a count. */
final class Problems {
    private static final int SHOWN = 20;

    private final List<String> messages = new ArrayList<>();
    private long count;

    void add(String message) {
        if (!messages.contains(message) && count++ < SHOWN) {
            messages.add(message);
        }
    }

    boolean isEmpty() {
        return count == 0;
    }

    /** @param what the file or folder, which opens the message */
    void throwIfAny(Object what) {
        if (count == 1) {
            throw new BadInputException(what + ": " + messages.getFirst());
        }
        if (count > 1) {
            String more = count > SHOWN ? "\n  and " + (count - SHOWN) + " more" : "";
            throw new BadInputException(what + ": " + count + " problems\n  " + String.join("\n  ", messages) + more);
        }
    }
}
