/**
 * What came of a study, shown: results joined over seeds, claims with their verdicts, figures, tables, {@code
 * study.html}.
 *
 * <p>May import spec, report and everything below them.
 */
package dev.lethe.page;
