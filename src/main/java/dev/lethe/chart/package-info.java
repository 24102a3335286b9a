/**
 * Drawing: lines, points, boxes and heat maps, as SVG and PNG, by itself, so that a machine without fonts or a display
 * still gets its page.
 *
 * <p>May import {@code engine} and {@code base}; knows no run.
 */
package dev.lethe.chart;
