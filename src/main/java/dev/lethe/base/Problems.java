package dev.lethe.base;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Gathers what is wrong with an input, so that one run shows all of it: the first 20 in words, the rest as a count. */
public final class Problems {
    private static final int SHOWN = 20;

    private final List<String> messages = new ArrayList<>();
    private final Set<String> fields = new LinkedHashSet<>();
    private long count;

    /** Says it once, however often it is added. */
    public void add(String message) {
        if (!messages.contains(message) && count++ < SHOWN) {
            messages.add(message);
        }
    }

    /** Adds what is wrong with a setting unless it holds. */
    public void require(boolean holds, String field, Object value, String allowed) {
        if (!holds) {
            add(field, field + " is " + value + ", must be " + allowed);
        }
    }

    /** Adds what is wrong with a setting. */
    public void add(String field, String message) {
        fields.add(field);
        add(message);
    }

    public boolean isEmpty() {
        return count == 0;
    }

    /** For messages that name their place themselves. */
    public void throwIfAny() {
        if (count > 0) {
            throw new BadInputException(String.join("\n", messages) + more("\n"));
        }
    }

    /** For problems of settings, in one line. */
    public void throwOfFields() {
        if (count > 0) {
            throw new BadInputException(String.join("; ", messages) + more("; "), List.copyOf(fields), null);
        }
    }

    /** @param what the file or folder, which opens the message */
    public void throwIfAny(Object what) {
        if (count == 1) {
            throw new BadInputException(what + ": " + messages.getFirst());
        }
        if (count > 1) {
            throw new BadInputException(what + ": " + count + " problems\n  " + String.join("\n  ", messages) + more("\n  "));
        }
    }

    private String more(String separator) {
        return count > SHOWN ? separator + "and " + (count - SHOWN) + " more" : "";
    }
}
