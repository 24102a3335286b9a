/**
 * How much each captured training record speaks for a query: inner products with the ledger's gradients, and the
 * activation-gradient product of given examples.
 *
 * <p>May import {@code ledger}, {@code data}, {@code model}, {@code engine}; not {@code train} or {@code eval}.
 */
package dev.lethe.influence;
