package dev.lethe.settings;

import com.fasterxml.jackson.annotation.JsonCreator;
import java.nio.file.Path;
import tools.jackson.databind.annotation.JsonSerialize;
import tools.jackson.databind.ser.std.ToStringSerializer;

/**
 * Text besides a run's own records that a model must still know after an erasure, such as what its base was trained on: repair
 * is held to what the model said of a part of it (Hold), the rest is watched.
 *
 * @param data  a data file; a .jsonl is read as the run's own was
 * @param guard most that the mean loss of the part that is watched may rise, nats a token, at the end
 */
public record Keep(@JsonSerialize(using = ToStringSerializer.class) Path data, double guard) {
    /** Nats a token. */
    public static final double GUARD = 0.05;

    /** Refuses a guard that is not above 0. */
    @JsonCreator
    public Keep {
        if (!(guard > 0)) {
            throw new IllegalArgumentException("keep guard is " + guard + ", allowed: above 0");
        }
    }
}
