package dev.lethe.influence;

import dev.lethe.engine.ParameterVector;

/** What the ledger's gradients are multiplied with for a query, such as H g_q; one method a file. */
public interface QueryVector {
    /** A vector of the query's own, which the caller closes. May overwrite the model's gradient buffer. */
    ParameterVector of(InfluenceQuery query);
}
