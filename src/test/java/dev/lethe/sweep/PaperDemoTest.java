package dev.lethe.sweep;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.engine.NoLeaks;
import dev.lethe.spec.CellResult;
import dev.lethe.sweep.Sweep.StudyListener;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** The shipped study on the bundled people: a cell of it always, all of it in the extended suite. */
@ExtendWith(NoLeaks.class)
class PaperDemoTest {
    private static final Path SPECS = Path.of(System.getProperty("lethe.root", "."), "specs");

    @TempDir
    Path folder;

    private List<CellResult> run(String spec) {
        try (Engine engine = Engine.cpu()) {
            return Sweep.run(engine, SPECS.resolve(spec), new Sweep.Options(folder, null, null, null), StudyListener.SILENT)
                    .results();
        }
    }

    @Test
    void aCellOfIt() {
        List<CellResult> results = run("paper-demo-cell.json");
        assertEquals(List.of("original", "retrain", "default"), results.stream().map(CellResult::variant).toList());
        CellResult original = results.get(0);
        CellResult erased = results.get(2);
        assertTrue(erased.metrics().get("forget.loss") > original.metrics().get("forget.loss") + 0.3, erased.metrics().toString());
        assertEquals(erased.metrics().get("influence.before_mean"), erased.curve().getFirst().influence(), 1e-6);
        assertTrue(erased.metrics().get("cost.share") < 0.5, erased.metrics().toString());
        assertTrue(Files.isRegularFile(folder.resolve("study.html")));
    }

    @Test
    @Tag("extended")
    @Timeout(value = 8, unit = TimeUnit.MINUTES)
    void allOfIt() throws Exception {
        List<CellResult> results = run("paper-demo.json");
        assertTrue(results.stream().allMatch(result -> result.metrics().containsKey("forget.loss")),
                () -> results.stream().filter(result -> !result.metrics().containsKey("forget.loss"))
                        .map(result -> result.variant() + ": " + result.note()).toList().toString());
        CellResult erased = results.stream().filter(result -> result.variant().equals("default")).findFirst().orElseThrow();
        assertTrue(erased.reached(), erased.note());
        try (var figures = Files.list(folder.resolve("figures"))) {
            assertTrue(figures.filter(file -> file.toString().endsWith(".svg")).count() > 5);
        }
    }
}
