package dev.lethe.page;

import dev.lethe.chart.Chart;
import java.util.List;

/**
 * A figure of the study, or why there is none.
 *
 * @param heading what it shows
 * @param charts  empty = left out
 * @param caption how to read it, or why it is left out
 */
record Figure(String heading, List<? extends Chart> charts, String caption) {
    /** @param why a sentence */
    static Figure missing(String heading, String why) {
        return new Figure(heading, List.of(), why);
    }
}
