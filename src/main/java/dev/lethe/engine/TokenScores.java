package dev.lethe.engine;

/**
 * What each position's prediction looked like. Every array but the last is [sum T], in the batch's token order, NaN
 * (hit: false) where a position has no target.
 *
 * @param logProbability log p(target), natural logarithm
 * @param mean           E[log p(v)] over the vocabulary under p, for Min-K%++
 * @param deviation      standard deviation of log p(v) under p
 * @param greedyHit      whether the most likely token is the target
 * @param losses         [B] mean of -log p over a record's targets; 0 for a record without targets
 */
public record TokenScores(double[] logProbability, double[] mean, double[] deviation, boolean[] greedyHit,
        double[] losses) {
}
