package dev.lethe.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.report.Section.Table;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A cell is data, whatever it begins with. */
class CsvTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "a | a", "`` | ``", "a,b | \"a,b\"", "say \"x\" | \"say \"\"x\"\"\"", "`a\nb` | `\"a\nb\"`", "`a\rb` | `\"a\rb\"`",
        "=1+1 | '=1+1", "@SUM(A1) | '@SUM(A1)", "+cmd | '+cmd", "-cmd | '-cmd", "`\tx` | `'\tx`", "`\rx` | `\"'\rx\"`",
        "-1+2 | '-1+2", "-1.5e-7 | -1.5e-7", "+49 | +49", "-3 | -3", "-.5 | -.5", "- | '-",
        "`=HYPERLINK(\"x\")` | `\"'=HYPERLINK(\"\"x\"\")\"`"})
    void formulasAreTextAndNumbersStay(String text, String cell) {
        assertEquals(cell, Table.Csv.cell(text));
    }
}
