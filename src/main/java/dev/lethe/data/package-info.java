/**
 * Training data: records read from files, and how a file is read.
 *
 * <p>Everything here is immutable once read and safe to share between threads. Input that cannot be used is a
 * {@link dev.lethe.LetheException} of code INPUT that names {@code file:line}.
 */
@NullMarked
package dev.lethe.data;

import org.jspecify.annotations.NullMarked;

