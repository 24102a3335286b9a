/**
 * Iterative solvers over symmetric operators in parameter space: conjugate gradients, power iteration. They know
 * vectors and nothing of models, records or files; what an operator is made of is its maker's business. A solver
 * that does not reach what was asked throws, unless the caller asks for what there is.
 *
 * <p>May import {@code engine} only.
 */
package dev.lethe.solve;
