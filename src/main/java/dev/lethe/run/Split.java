/* Which side of a training a record is on. */
package dev.lethe.run;

import com.fasterxml.jackson.annotation.JsonProperty;

/** TRAIN: learned. HOLDOUT: kept back, so that it shows what "never seen" looks like. */
public enum Split {
    @JsonProperty("train") TRAIN,
    @JsonProperty("holdout") HOLDOUT
}
