/**
 * The field's numbers as formulas, by OpenUnlearning's definitions: from losses, log-probabilities and texts to one
 * number a record and one a set. Knows no model; who asks one is {@code eval}.
 *
 * <p>May import the JDK and {@code dev.lethe}'s exceptions.
 */
package dev.lethe.metric;
