/**
 * How much a model knows of a set of records: loss and perplexity, memorisation, membership inference, ROUGE of its
 * continuations, TOFU's evaluation. Every metric gives the aggregate and the value of each record. Nothing here changes
 * a model.
 *
 * <p>May import {@code metric}, {@code data}, {@code model}, {@code engine} and below.
 */
package dev.lethe.eval;
