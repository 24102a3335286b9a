/**
 * Finding the records of a request: by id, subject, exact or fuzzy text, and what is near when nothing is found.
 *
 * <p>May import {@code data}, {@code engine} and below.
 */
@NullMarked
package dev.lethe.find;

import org.jspecify.annotations.NullMarked;
