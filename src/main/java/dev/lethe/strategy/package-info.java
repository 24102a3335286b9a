/**
 * How an erasure moves the weights: the directions it climbs along, and the loops that take the steps along them or
 * down an objective and watch the losses. Nothing here writes a file.
 *
 * <p>May import objective, settings, train, run, influence, ledger, data, model, engine and below.
 */
package dev.lethe.strategy;
