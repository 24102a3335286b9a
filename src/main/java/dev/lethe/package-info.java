/**
 * The door to Lethe: {@link dev.lethe.Lethe}, its {@link dev.lethe.Job}s, an open {@link dev.lethe.Run}, and all that is thrown on
 * purpose, {@link dev.lethe.LetheException}, which alone is used below. What is asked lies in {@code settings}, what is answered in
 * {@code results}. References are never null where that is not said.
 */
@NullMarked
package dev.lethe;

import org.jspecify.annotations.NullMarked;
