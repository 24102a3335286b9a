/* One operation that bench/compare times on Lethe's side; its peer is the file of bench/python with the same name. */
package dev.lethe.bench;

import dev.lethe.engine.Engine;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** Opened once, run many times, closed; all on one thread. Only {@link #run} is timed. */
interface Case extends AutoCloseable {

    /**
     * What a case is made from.
     *
     * @param variant  which form of the operation
     * @param model    a Hugging Face folder
     * @param examples JSON with tokens and targets, as {@link Examples} reads it
     * @param work     a folder of its own
     * @param args     what else the operation takes
     */
    record Setup(Engine engine, String variant, Path model, Path examples, Path work, JsonNode args) { }

    /** What each run needs and is not part of it, such as room on the disk. */
    default void before() { }

    /** The operation. Returns nanoseconds of its parts where they are told apart. */
    Map<String, Long> run();

    /** Writes what the operation computes at the weights of the folder, for comparison. Called before any run. */
    void result(Results out);

    /** Bytes that the last run left in files. */
    default long stored() {
        return 0;
    }

    /** Files that a run reads and that can be taken out of the page cache before it. */
    default List<Path> files() {
        return List.of();
    }

    @Override
    void close();
}
