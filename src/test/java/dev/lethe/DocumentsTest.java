package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.results.RecordMetric;
import dev.lethe.settings.Strategy;
import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;

/** Documents list what there is. */
class DocumentsTest {
    private static final Path DOCS = Path.of(System.getProperty("lethe.root", "."), "docs");

    @Test
    void everyStrategyHasItsRowAndEachOfItsNumbers() throws IOException {
        List<String> lines = Files.readAllLines(DOCS.resolve("strategies.md"));
        for (Strategy strategy : Strategy.values()) {
            String row = lines.stream().filter(line -> line.startsWith("| `" + strategy.label() + "`") && line.chars().filter(c -> c == '|').count() > 5)
                    .findFirst().orElseThrow(() -> new AssertionError("docs/strategies.md has no row of " + strategy.label()));
            boolean theSame = row.contains("those of `");
            strategy.tuning().values().keySet().forEach(own -> assertTrue(theSame || own.label().equals("learning_rate")
                    || row.contains("`" + own.label()), "docs/strategies.md, " + strategy.label() + ": not a word of " + own.label()));
        }
    }

    @Test
    void everyKeyOfAnEvaluationIsTold() throws IOException, ClassNotFoundException {
        String page = Files.readString(DOCS.resolve("json.md"));
        for (RecordComponent component : Class.forName("dev.lethe.cli.EvalResult").getRecordComponents()) {
            String key = component.getName().replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
            assertTrue(component.getName().equals("means") || page.contains("`" + key + "`"), "docs/json.md does not tell " + key);
        }
        for (RecordMetric metric : RecordMetric.values()) {
            assertTrue(page.contains("| `" + metric.label() + "` |"), "docs/json.md has no row of the metric " + metric.label());
        }
    }
}
