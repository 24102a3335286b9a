/**
 * {@code lethe experiment}: studies by a file, and measurements of Lethe's own influence scores.
 *
 * <p>May import sweep, console and everything below them.
 */
package dev.lethe.experiment;
