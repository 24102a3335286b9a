/**
 * Where the native libraries come from: a folder that somebody named, a jar, Python's libtorch; and how they are
 * loaded.
 *
 * <p>May import {@code base} and the bindings, whose version it compares.
 */
package dev.lethe.natives;
