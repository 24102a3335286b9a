package dev.lethe.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.SparkEnv;
import org.apache.spark.util.CollectionAccumulator;

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

    /** What a task does. */
    interface Body<T> {
        void into(List<T> results) throws Exception;
    }

    /** In a task: its results, or none and a refusal. @throws Exception what was thrown, where it may pass */
    static <T> Iterator<T> guarded(CollectionAccumulator<Refusal> refusals, Body<T> body) throws Exception {
        List<T> all = new ArrayList<>();
        try {
            body.into(all);
        } catch (Exception | LinkageError e) {
            if (!lacking(e) && !(e instanceof RuntimeException)) {
                throw e;
            }
            refusals.add(lacking(e) ? here("Lethe cannot be loaded (" + e + "); " + LACKING, false)
                    : Refusals.of((RuntimeException) e));
            all.clear();
        }
        return all.iterator();
    }

    static Refusal here(String what, boolean damaged) {
        SparkEnv here = SparkEnv.get();
        return new Refusal(here.executorId(), here.blockManager().blockManagerId().host(), what, damaged);
    }

    /** Whether a class could not be loaded. */
    private static boolean lacking(Throwable thrown) {
        return Stream.iterate(thrown, e -> e != null, Throwable::getCause)
                .anyMatch(e -> e instanceof LinkageError || e instanceof ClassNotFoundException);
    }
}
