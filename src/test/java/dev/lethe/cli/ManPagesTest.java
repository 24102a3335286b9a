package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.console.Terminal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import picocli.codegen.docgen.manpage.ManPageGenerator;

/** Man pages and completion, as picocli makes them; the pages are left in target/man: AsciiDoc, one a command. */
class ManPagesTest {
    @Test
    void everyCommandHasAPageWithItsOptions() throws IOException {
        Path folder = Files.createDirectories(Path.of(System.getProperty("lethe.root", "."), "target/man"));
        int code = ManPageGenerator.generateManPage(folder.toFile(), null, new boolean[0], false,
                Main.line(new Terminal(System.out, System.err, () -> 0)).getCommandSpec());
        assertEquals(0, code);
        String erase = Files.readString(folder.resolve("lethe-erase.adoc"));
        for (String said : new String[] {"*--strategy*", "*--set*", "Removes records from a run's model into a new run."}) {
            assertTrue(erase.contains(said), said + " is not in\n" + erase);
        }
        HelpTest.commands().stream().map(line -> line.getCommandSpec().qualifiedName("-") + ".adoc")
                .forEach(page -> assertTrue(Files.isRegularFile(folder.resolve(page)), page));
    }

    @Test
    void completionKnowsOptionsThatAreSettings() {
        Shell shell = Shell.run("generate-completion");
        assertEquals(0, shell.code(), shell.err());
        assertTrue(shell.out().contains("'--strategy'"), shell.out());
    }
}
