package dev.lethe.influence;

import dev.lethe.engine.ParameterVector;
import dev.lethe.text.Example;
import java.util.List;

/**
 * A question to the ledger: the gradient g_q is the mean, over the examples, of the gradients of their own mean token
 * losses at the model's present weights.
 *
 * @param name     says in results which query it was
 * @param examples at least one
 */
public record InfluenceQuery(String name, List<Example> examples) {
    public InfluenceQuery {
        examples = List.copyOf(examples);
        if (examples.isEmpty()) throw new IllegalArgumentException("a query needs at least one example");
    }

    /** Tokens of all examples. */
    long tokens() {
        return examples.stream().mapToLong(example -> example.tokens().length).sum();
    }

    /** Positions with a loss of all examples. */
    long targets() {
        return examples.stream().mapToLong(Example::targetCount).sum();
    }

    /** What the ledger's gradients are multiplied with for a query, such as H g_q. Closing frees what it holds, if anything. */
    @FunctionalInterface
    public interface QueryVector extends AutoCloseable {
        /** A vector of the query's own, which the caller closes. May overwrite the model's gradient buffer. */
        ParameterVector of(InfluenceQuery query);

        @Override
        default void close() { }
    }
}
