/**
 * Erasing records from a run: finding the forget set, the direction of ascent, the calibrated loop, the journal.
 *
 * <p>May import influence, train, eval and everything below them; never report or cli.
 */
package dev.lethe.unlearn;
