/**
 * Carries a study out: its data, bases, trainings, erasures and measurements, one cell after the other, and goes on
 * where it was.
 *
 * <p>May import page, spec and everything below them; never cli.
 */
package dev.lethe.sweep;
