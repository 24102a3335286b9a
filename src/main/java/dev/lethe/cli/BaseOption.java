package dev.lethe.cli;

import dev.lethe.model.Checkpoint;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Where the base of adapters lies. */
final class BaseOption {
    @Option(names = "--base", paramLabel = "DIR",
            description = "The model that an adapter is on, where it does not lie where the adapter says.")
    private Path base;

    /** Before anything is opened. */
    void use() {
        Checkpoint.baseIn(base);
    }
}
