/**
 * Shows a run or an erasure: one self-contained HTML page with numbers, plots and samples, the plots as PNG, and all of
 * it as JSON. Draws by itself, so that a machine without fonts or a display still gets its page.
 *
 * <p>May import unlearn and everything below it; never cli.
 */
package dev.lethe.report;
