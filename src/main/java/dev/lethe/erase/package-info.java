/**
 * An erasure from a run to a run: {@link dev.lethe.erase.OpenRun} is what a service embeds. Writes the new run, destroys
 * the old entries, cleans what other files still say, counts what may be left.
 *
 * <p>May import strategy, find and everything below them; never report or cli.
 */
package dev.lethe.erase;

