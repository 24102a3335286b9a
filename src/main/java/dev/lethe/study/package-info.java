/**
 * Studies: sweeps of trainings and erasures described by a JSON file, measured against retrained models, and their figures
 * and tables. A sweep is a list of {@link dev.lethe.study.Cell}s; a measured one is a {@link dev.lethe.study.CellResult}.
 *
 * <p>May import report and everything below it; never cli.
 */
package dev.lethe.study;
