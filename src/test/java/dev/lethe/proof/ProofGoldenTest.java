package dev.lethe.proof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.DamagedDataException;
import dev.lethe.testing.Python;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Beside a second implementation, src/test/golden/proof.py: what it made is verified here, and what it refused is refused. */
class ProofGoldenTest {
    @TempDir
    Path folder;
    private Path golden;

    @BeforeEach
    void copy() throws Exception {
        golden = folder.resolve("golden");
        AuditLogTest.copy(Path.of(ProofGoldenTest.class.getResource("/golden/proof/tampered.json").toURI()).getParent(),
                golden);
    }

    @Test
    void verifiesWhatTheOtherMade() {
        Verifier.Verified found = new Verifier(null, null, null,
                golden.resolve("before")).verify(golden.resolve("erased"));
        assertEquals("golden-258", found.request());
        assertEquals(200, found.index());
        assertEquals(258, found.size());
        assertEquals(6, found.checked().size());
        assertEquals(258, MadeUpRun.verifier().verify(golden.resolve("audit")).size());
    }

    /** The other reads the whole log and is not strict about the spelling of what no signature covers; Lethe is. */
    @Test
    void refusesWhatTheOtherRefused() throws IOException {
        int both = 0;
        int strict = 0;
        for (JsonNode one : new JsonMapper().readTree(Files.readAllBytes(golden.resolve("tampered.json")))) {
            Path file = golden.resolve(one.get("file").asString());
            byte[] whole = Files.readAllBytes(file);
            int at = one.get("at").asInt();
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            bytes.write(whole, 0, at);
            bytes.writeBytes(Base64.getDecoder().decode(one.get("insert").asString()));
            int rest = at + one.get("cut").asInt();
            bytes.write(whole, rest, whole.length - rest);
            Files.write(file, bytes.toByteArray());
            // Entries behind the certificate's bundle are read by a check of the log alone.
            Path checked = golden.resolve(file.endsWith("tile/entries/001.p/2") ? "audit" : "erased");
            assertThrows(DamagedDataException.class, () -> MadeUpRun.verifier().verify(checked), one::toString);
            Files.write(file, whole);
            if (one.get("verdict").isNull()) {
                strict++;
            } else {
                both++;
            }
        }
        assertTrue(both > 350, both + " refused by both");
        assertTrue(strict < 20, strict + " refused here alone");
        verifiesWhatTheOtherMade();
    }

    @Test
    void theOtherVerifiesWhatIsMadeHere() throws IOException {
        Python.assume("cryptography");
        MadeUpRun made = new MadeUpRun(folder).certified();
        assertEquals("holds\n", Python.script("../golden/proof.py", "verify", made.run.root(), made.log));
    }
}
