package dev.lethe.spark;

import java.io.Serializable;
import java.util.stream.Stream;
import org.apache.spark.SparkEnv;

/**
 * What an executor could not do and would not on another try. Knows no class of Lethe's, for that may be what lacks.
 *
 * @param executor its number
 * @param what     a sentence
 * @param damaged  whether stored data is not what was written
 */
record Refusal(String executor, String host, String what, boolean damaged) implements Serializable {
    /** What to do where Lethe lacks. */
    static final String LACKING = "put the driver's jars of Lethe there and name them in spark.executor.extraClassPath";

    static Refusal here(String what, boolean damaged) {
        SparkEnv here = SparkEnv.get();
        return new Refusal(here.executorId(), here.blockManager().blockManagerId().host(), what, damaged);
    }

    /** Whether a class could not be loaded. */
    static boolean lacking(Throwable thrown) {
        return Stream.iterate(thrown, e -> e != null, Throwable::getCause)
                .anyMatch(e -> e instanceof LinkageError || e instanceof ClassNotFoundException);
    }
}
