/**
 * Shows a run or an erasure: one self-contained HTML page with numbers, plots and samples, the plots as PNG, and all of
 * it as JSON.
 *
 * <p>May import chart, erase and everything below them; never cli.
 */
package dev.lethe.report;
