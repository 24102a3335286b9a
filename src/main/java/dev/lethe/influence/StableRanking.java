/*
 * Ends a solver once what it is asked for stands: which records come first. An iterate is a query's vector like any
 * other, so that a look at what it ranks first is one pass over the ledger.
 */
package dev.lethe.influence;

import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.RecordKey;
import dev.lethe.solve.EarlyStop;
import java.util.Set;
import java.util.function.Function;

/** The same records come first in several looks in a row. Of one solve; confined to the model's thread. */
final class StableRanking implements EarlyStop {
    private static final double LOOSE = 0.2; // residual above which nobody looks
    private static final int AGREE = 3;      // looks in a row

    private final Function<ParameterVector, Set<RecordKey>> first;
    private Set<RecordKey> last = Set.of();
    private int same;

    /** @param first the records that a vector ranks first */
    StableRanking(Function<ParameterVector, Set<RecordKey>> first) {
        this.first = first;
    }

    @Override
    public boolean enough(int iteration, double residual, ParameterVector x) {
        if (residual > LOOSE) {
            same = 0;
            return false;
        }
        Set<RecordKey> now = first.apply(x);
        same = same > 0 && now.equals(last) ? same + 1 : 1;
        last = now;
        return same == AGREE;
    }
}
