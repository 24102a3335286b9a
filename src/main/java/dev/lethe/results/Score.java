package dev.lethe.results;

/**
 * How much a learned record has to do with a query.
 *
 * @param recordId its id
 * @param value    inner product of the captured gradient and the query's, nats a unit step; above 0: a step on the record lowers
 *                 the query's loss
 */
public record Score(String recordId, double value) { }
