package dev.lethe.influence;

import dev.lethe.engine.ParameterVector;

/** What the ledger's gradients are multiplied with for a query, such as H g_q. Closing frees what it holds, if anything. */
@FunctionalInterface
public interface QueryVector extends AutoCloseable {
    /** A vector of the query's own, which the caller closes. May overwrite the model's gradient buffer. */
    ParameterVector of(InfluenceQuery query);

    @Override
    default void close() { }
}
