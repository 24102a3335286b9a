package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.BadInputException;
import org.junit.jupiter.api.Test;

/** Lethe itself has no source of rows; spark/ tests the one that there is. */
class RowSourceTest {
    @Test
    void withoutTheModuleItIsSaidWhereItIs() {
        assertEquals("spark: Lethe's Spark module is not on the class path; begin with spark/score.sh (spark/README.md)",
                assertThrows(BadInputException.class, RowSource::spark).getMessage());
    }
}
