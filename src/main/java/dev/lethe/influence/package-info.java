/**
 * How much each captured training record speaks for a query: inner products with the ledger's gradients, and the
 * activation-gradient product of given examples. Conjugate gradients and power iteration over symmetric operators too: a solver
 * that does not reach what was asked throws, unless the caller asks for what there is.
 *
 * <p>May import {@code ledger}, {@code data}, {@code model}, {@code engine}; not {@code train} or {@code eval}.
 */
package dev.lethe.influence;
