package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.engine.Engine;
import java.lang.module.ModuleDescriptor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What module dev.lethe exports and opens; the tests themselves run on the class path, which would not notice. */
class ModuleTest {
    private static final Path SOURCES = Path.of(System.getProperty("lethe.root", "."), "src/main/java/dev/lethe");

    @Test
    void exportsWhatAnEmbedderNeeds() throws Exception {
        assertEquals(new TreeSet<>(Set.of("dev.lethe", "dev.lethe.data", "dev.lethe.find", "dev.lethe.proof",
                "dev.lethe.results", "dev.lethe.settings", "dev.lethe.shape")), exported());
    }

    /** Any package may have a record that is written as JSON. */
    @Test
    void everyPackageIsOpenToJackson() throws Exception {
        Set<String> open = module().opens().stream().filter(opens -> opens.targets().contains("tools.jackson.databind"))
                .map(ModuleDescriptor.Opens::source).collect(Collectors.toCollection(TreeSet::new));
        try (Stream<Path> folders = Files.list(SOURCES)) {
            assertEquals(folders.filter(Files::isDirectory).map(folder -> "dev.lethe." + folder.getFileName())
                    .collect(Collectors.toCollection(TreeSet::new)), open);
        }
    }

    /** Names of the exported packages. */
    static Set<String> exported() throws Exception {
        return module().exports().stream().map(ModuleDescriptor.Exports::source).collect(Collectors.toCollection(TreeSet::new));
    }

    private static ModuleDescriptor module() throws Exception {
        Path classes = Path.of(Engine.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        try (var in = Files.newInputStream(classes.resolve("module-info.class"))) {
            return ModuleDescriptor.read(in);
        }
    }
}
