package dev.lethe.cli;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Settings;

/** Memory for the gradients of queries. */
final class QueryMemory {
    private long mebibytes;

    QueryMemory(long mebibytes) {
        this.mebibytes = mebibytes;
    }

    void into(Settings settings) {
        settings.wholeLong("query_memory", mebibytes, "MiB for queries; more than fit take turns, a pass over the ledger each", value -> {
            if (value < 1 || value > 1L << 30) {
                throw new BadInputException("must be 1 to " + (1L << 30) + " MiB");
            }
            mebibytes = value;
        });
    }

    long bytes() {
        return mebibytes << 20;
    }
}
