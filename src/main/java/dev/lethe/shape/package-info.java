/**
 * What a model is made of, without one: its sizes, block, adapters, sites and their selection, types of numbers.
 *
 * <p>May import {@code base} and the bindings, whose constants it names.
 */
@NullMarked
package dev.lethe.shape;

import org.jspecify.annotations.NullMarked;
