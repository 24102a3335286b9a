package dev.lethe.engine;

/**
 * How to continue prompts.
 *
 * @param maxNewTokens at least 1; a record also stops when it reaches the context
 * @param topK         1 = greedy; 0 = sample from the whole distribution; k = from the k most likely
 * @param temperature  above 0; ignored by greedy
 * @param seed         of the sampling; the same seed gives the same tokens
 * @param stopToken    ends a record and is not returned; -1 = none
 */
public record Generation(int maxNewTokens, int topK, double temperature, long seed, int stopToken) {
    /** @throws IllegalArgumentException naming the value that is out of range */
    public Generation {
        if (maxNewTokens < 1) {
            throw new IllegalArgumentException("generation: max new tokens " + maxNewTokens + " is below 1");
        }
        if (topK < 0) {
            throw new IllegalArgumentException("generation: top-k " + topK + " is negative; 0 means all tokens");
        }
        if (!(temperature > 0 && Double.isFinite(temperature))) {
            throw new IllegalArgumentException("generation: temperature " + temperature + " is not above 0");
        }
        if (stopToken < -1) {
            throw new IllegalArgumentException("generation: stop token " + stopToken + " is below -1 (none)");
        }
    }

    /** The most likely token each time, without a stop token. */
    public static Generation greedy(int maxNewTokens) {
        return new Generation(maxNewTokens, 1, 1.0, 0, -1);
    }

    /** The same, ending a record at {@code token}. */
    public Generation withStopToken(int token) {
        return new Generation(maxNewTokens, topK, temperature, seed, token);
    }
}
