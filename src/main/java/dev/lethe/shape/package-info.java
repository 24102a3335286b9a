/**
 * What a model is made of, without one: its sizes, block, adapters, sites and their selection, types of numbers.
 *
 * <p>May import {@code base} and the bindings, whose constants it names.
 */
package dev.lethe.shape;
