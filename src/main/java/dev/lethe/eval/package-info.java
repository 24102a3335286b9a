/**
 * How much a model knows of a set of records: loss and perplexity, memorisation, membership inference, ROUGE of its
 * continuations. Every metric gives the aggregate and the value of each record. Nothing here changes a model.
 *
 * <p>May import ledger, data, model and engine.
 */
package dev.lethe.eval;
