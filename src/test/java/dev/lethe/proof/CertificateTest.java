package dev.lethe.proof;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Sha256;
import dev.lethe.proof.AuditLog.LogEntry;
import dev.lethe.proof.CertificateSummary;
import dev.lethe.results.Erasure;
import dev.lethe.run.RunJson;
import dev.lethe.settings.EraseConfig;
import dev.lethe.testing.MemoryFolder;
import dev.lethe.testing.Mutations;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Certificates of a made-up run: what they say, what they refuse, and that no tampering is taken for whole. */
class CertificateTest {
    private final MemoryFolder memory = new MemoryFolder();
    private final MadeUpRun made = new MadeUpRun(memory.path());

    @AfterEach
    void clear() {
        memory.close();
    }

    private JsonNode statement() throws IOException {
        JsonNode envelope = new JsonMapper().readTree(Files.readAllBytes(made.file(Certificate.FILE)));
        return new JsonMapper().readTree(Base64.getDecoder().decode(envelope.get("payload").asString()));
    }

    @Test
    void saysWhatTheAccountSaysAndNoName() throws IOException {
        Certifier.Certified certified = new Certifier(MadeUpRun.keys(), made.log, "R-1", Instant.parse("2026-11-01T08:00:00.9Z"),
                MadeUpRun.clock(MadeUpRun.NOON.plusMillis(999))).certify(made.run.root());
        assertEquals(0, certified.index());
        assertEquals(1, certified.size());
        JsonNode statement = statement();
        JsonNode told = statement.get("predicate");
        assertEquals("https://in-toto.io/Statement/v1", statement.get("_type").asString());
        assertEquals(ModelManifest.of(made.run.model()).digest(), statement.at("/subject/1/digest/sha256").asString());
        assertEquals(ModelManifest.of(made.folder.resolve("run/model")).digest(),
                statement.at("/subject/0/digest/sha256").asString());
        assertEquals("{\"id\":\"R-1\",\"erasure\":\"0123456789abcdef\",\"requested\":\"2026-11-01T08:00:00Z\","
                + "\"certified\":\"2026-11-27T12:00:00Z\"}", told.get("request").toString());
        assertEquals("its subject was asked for", told.at("/matches/0/reason").asString());
        assertEquals("last-epoch", told.at("/method/strategy").asString());
        assertEquals(0.5, told.at("/method/settings/retainGuard").asDouble());
        assertTrue(told.at("/outcome/after/heldOut").isMissingNode(), "there is none");
        assertFalse(told.has("proof"));
        assertEquals(9, told.get("notProven").size());
        String text = statement.toString() + new String(Files.readAllBytes(made.log.resolve("tile/entries/000.p/1")),
                StandardCharsets.UTF_8);
        assertFalse(text.contains("dave"), text);
        assertFalse(text.contains(memory.path().toString()), text);
        Verifier.Verified verified = made.verify();
        assertEquals("R-1", verified.request());
        assertEquals(MadeUpRun.keys().fingerprint(), verified.fingerprint());
        assertFalse(verified.trusted());
        assertEquals(5, verified.checked().size(), verified.checked().toString());
    }

    @Test
    void anAccountWithSettingsThatAreGoneIsCertifiedAndVerified() throws IOException {
        Path account = made.file(Certificate.ACCOUNT);
        Files.writeString(account, Files.readString(account).replace("\"repair_rate\" :", "\"live_contrast\" : 8, \"harden\" : 5, \"repair_rate\" :"));
        made.certified();
        assertTrue(Files.readString(account).contains("harden") && !statement().toString().contains("harden"), "of the settings there are");
        assertEquals("R-1", made.verify().request());
        Files.writeString(account, Files.readString(account).replace("\"harden\" : 5", "\"harden\" : 6"));
        assertThrows(DamagedDataException.class, made::verify);
    }

    @Test
    void theSummaryIsTheCertificatesAndToldApartFromNone() throws IOException {
        Erasure account = RunJson.read(Files.readString(made.file(Certificate.ACCOUNT)), Erasure.class, "account");
        CertificateSummary none = CertificateSummary.of(made.run.root(), account);
        assertNull(none.request());
        assertFalse(none.fits());
        made.certified();
        CertificateSummary summary = CertificateSummary.of(made.run.root(), account);
        JsonNode told = statement().get("predicate");
        assertEquals(told.at("/request/id").asString(), summary.request());
        assertEquals(told.at("/request/certified").asString(), summary.certified());
        assertEquals(MadeUpRun.keys().fingerprint(), summary.fingerprint());
        assertEquals(Sha256.hex(Sha256.of(made.file(Certificate.FILE))), summary.sha256());
        assertTrue(summary.fits());
        assertEquals(summary.notProven(), none.notProven(), "one place has these sentences");
        assertEquals(9, summary.notProven().size());
        Files.writeString(made.file(Certificate.ACCOUNT), " ", StandardOpenOption.APPEND);
        assertFalse(CertificateSummary.of(made.run.root(), account).fits(), "another account than the one signed");
    }

    @Test
    void theSameRunRequestAndTimeGiveTheSameStatement() throws IOException {
        made.certified();
        JsonNode first = statement();
        AuditLogTest.delete(made.log);
        Files.delete(made.file(Certificate.FILE));
        made.certified();
        assertEquals(first, statement());
    }

    /** Every kill in between: what was written before it is there, and a repetition ends as it would have. */
    @Test
    void aRepetitionGoesOnWhereItWasCutOff() throws IOException {
        made.certified();
        byte[] certificate = Files.readAllBytes(made.file(Certificate.FILE));
        byte[] proof = Files.readAllBytes(made.file(Certificate.PROOF));
        Files.delete(made.file(Certificate.PROOF)); // killed after the entry
        made.certifier("R-1", MadeUpRun.NOON.plusSeconds(60)).certify(made.run.root());
        assertArrayEquals(certificate, Files.readAllBytes(made.file(Certificate.FILE)));
        assertArrayEquals(proof, Files.readAllBytes(made.file(Certificate.PROOF)));
        Files.writeString(made.run.model().resolve("model.sig.part-17"), "{"); // killed before it, and in the middle of a file
        AuditLogTest.delete(made.log);
        Files.delete(made.file(Certificate.PROOF));
        made.certifier("R-1", MadeUpRun.NOON.plusSeconds(60)).certify(made.run.root());
        assertEquals("2026-11-27T12:01:00Z", made.verify().certified());
        Files.delete(made.file(Certificate.FILE)); // lost
        assertTrue(assertThrows(BadInputException.class, () -> made.certifier("R-1",
                MadeUpRun.NOON.plusSeconds(90)).certify(made.run.root()))
                .getMessage().startsWith("request R-1: has a certificate already"));
        made.certifier("R-1b", MadeUpRun.NOON.plusSeconds(90)).certify(made.run.root());
        assertEquals(1, made.verify().index());
    }

    @Test
    void aRequestIdServesOneRun() {
        made.certified();
        MadeUpRun other = new MadeUpRun(memory.path(), "erased-2", EraseConfig.defaults());
        assertEquals("request R-1: has a certificate already, entry 0 of " + made.log
                + ", of 2026-11-27T12:00:00Z; give each request an"
                + " id of its own", assertThrows(BadInputException.class, () -> other.certifier("R-1",
                        MadeUpRun.NOON).certify(other.run.root()))
                .getMessage());
        assertThrows(BadInputException.class, () -> other.certifier("R-1", MadeUpRun.NOON).precheck());
        assertFalse(Files.exists(other.file(Certificate.FILE)));
        other.certifier("R-2", MadeUpRun.NOON).certify(other.run.root());
        other.verify();
        made.verify(); // in a log that has grown
        for (String id : List.of("", "Dave Umbrolio", "x".repeat(101), "a\nb")) {
            assertThrows(BadInputException.class, () -> made.certifier(id, MadeUpRun.NOON), id);
        }
    }

    @Test
    void clocksThatRunBackwards() {
        made.certified();
        MadeUpRun other = new MadeUpRun(memory.path(), "erased-2", EraseConfig.defaults());
        assertEquals("the clock says 2026-11-27T11:59:59Z, and the last entry of " + made.log
                + " is of 2026-11-27T12:00:00Z: one of the"
                + " two clocks is wrong; set this one right", assertThrows(BadInputException.class,
                        () -> other.certifier("R-2", MadeUpRun.NOON.minusSeconds(1)).certify(other.run.root())).getMessage());
        assertEquals("the request is of 2026-11-27T12:00:05Z, and the clock says 2026-11-27T12:00:00Z: one of the two is wrong",
                assertThrows(BadInputException.class, () -> new Certifier(MadeUpRun.keys(), made.log, "R-3",
                        MadeUpRun.NOON.plusSeconds(5),
                        MadeUpRun.clock(MadeUpRun.NOON)).precheck()).getMessage());
    }

    @Test
    void whatIsWrongIsNamed() throws IOException {
        made.certified();
        Path other = Files.createDirectory(memory.path().resolve("elsewhere"));
        SigningKeys stranger = MadeUpRun.freshKeys();
        Path pem = Files.writeString(other.resolve("stranger.pem"), stranger.pem());
        String file = made.file(Certificate.FILE).toString();
        assertWrong(file + " (by the key of " + pem + "): its signature is not the key's: it was changed, or signed by another",
                new Verifier(pem, null, null, null));
        Path mine = Files.writeString(other.resolve("mine.pem"), MadeUpRun.keys().pem());
        assertTrue(new Verifier(mine, null, null, null).verify(made.run.root()).trusted());
        assertWrong(other.resolve("no.pem") + ": cannot be read: there is no such file or folder",
                new Verifier(other.resolve("no.pem"), null, null, null));
        assertWrong(made.log + "-2: the audit log is not there; name where it lies", new Verifier(null, Path.of(made.log + "-2"),
                null, null));
        Path before = made.folder.resolve("run/model");
        assertEquals(6, new Verifier(null, null, null, before).verify(made.run.root()).checked().size());
        assertTrue(assertThrows(DamagedDataException.class, () -> new Verifier(null, null, null,
                made.run.model()).verify(made.run.root()))
                .getMessage().startsWith(made.run.model().resolve("config.json")
                        + ": is not the file that the certificate names (SHA-256 "));
        Files.writeString(made.run.model().resolve("extra.py"), "x");
        assertWrong(made.run.model().resolve("extra.py") + ": the certificate does not name it; it was added",
                MadeUpRun.verifier());
        Files.delete(made.run.model().resolve("extra.py"));
        Files.delete(made.run.model().resolve("config.json"));
        assertWrong(made.run.model().resolve("config.json") + ": is missing, and the certificate names it", MadeUpRun.verifier());
        assertWrong(memory.path() + ": there is nothing to verify: neither certificate.dsse.json of an erased run nor the"
                + " checkpoint of an"
                + " audit log", MadeUpRun.verifier(), memory.path());
    }

    @Test
    void aProofOfAnotherRunIsNotThisOnes() throws IOException {
        made.certified();
        MadeUpRun other = new MadeUpRun(memory.path(), "erased-2", EraseConfig.defaults());
        other.certifier("R-2", MadeUpRun.NOON).certify(other.run.root());
        Files.copy(other.file(Certificate.PROOF), made.file(Certificate.PROOF), StandardCopyOption.REPLACE_EXISTING);
        assertWrong(made.file(Certificate.PROOF) + ": does not show that the certificate is in the log: one of the two was"
                + " changed",
                MadeUpRun.verifier());
        Files.copy(other.file(Certificate.FILE), made.file(Certificate.FILE), StandardCopyOption.REPLACE_EXISTING);
        assertTrue(assertThrows(DamagedDataException.class, made::verify).getMessage()
                .startsWith(made.file(Certificate.ACCOUNT) + ": is not the file that the certificate names"));
    }

    @Test
    void theLogGoesOnFromAnOlderCheckpoint() throws IOException {
        made.certified();
        Path since = Files.copy(made.log.resolve("checkpoint"), memory.path().resolve("kept"));
        Path cut = memory.path().resolve("cut");
        AuditLogTest.copy(made.log, cut);
        try (LogWriter writer = LogWriter.open(made.log, MadeUpRun.keys(), Duration.ZERO)) {
            for (int i = 100; i < 400; i++) {
                writer.append(AuditLogTest.entry(i));
            }
        }
        Verifier.Verified verified = new Verifier(null, null, since, null).verify(made.run.root());
        assertEquals("the log goes on from the 1 entries of " + since, verified.checked().getLast());
        assertEquals(301, verified.size());
        assertEquals("log", new Verifier(null, null, since, null).verify(made.log).kind());
        Path now = made.log.resolve("checkpoint");
        assertWrong(cut.resolve("checkpoint") + ": is of 1 entries, " + now + " of 301: the log was cut",
                new Verifier(null, cut, now, null));
        Path forked = memory.path().resolve("forked");
        AuditLogTest.copy(cut, forked);
        try (LogWriter writer = LogWriter.open(forked, MadeUpRun.keys(), Duration.ZERO)) {
            for (int i = 1000; i < 1400; i++) {
                writer.append(AuditLogTest.entry(i));
            }
        }
        assertWrong(forked.resolve("checkpoint") + ": is not what became of " + now
                + ": entries were changed or removed, or a tile was",
                new Verifier(null, forked, now, null));
    }

    private void assertWrong(String message, Verifier verifier) {
        assertWrong(message, verifier, made.run.root());
    }

    private static void assertWrong(String message, Verifier verifier, Path path) {
        assertEquals(message, assertThrows(RuntimeException.class, () -> verifier.verify(path)).getMessage());
    }

    @Test
    void everyBitOfEveryFileCounts() throws IOException {
        made.certified();
        for (Path file : read()) {
            byte[] whole = Files.readAllBytes(file);
            for (int bit = 0; bit < whole.length * 8; bit += whole.length > 500 ? 97 : 5) {
                byte[] flipped = whole.clone();
                flipped[bit / 8] ^= (byte) (1 << bit % 8);
                assertNamed(file, flipped);
            }
            Files.write(file, whole);
        }
        made.verify();
    }

    /** With enough other entries that a whole tile and two levels are on the way. */
    @ParameterizedTest
    @ValueSource(ints = 400)
    void noTamperingIsTakenForWhole(int tamperings) throws IOException {
        tamper(tamperings);
    }

    @Tag("extended")
    @ParameterizedTest
    @ValueSource(ints = 10_000)
    void noTamperingOfThousandsIsTakenForWhole(int tamperings) throws IOException {
        tamper(tamperings);
    }

    private void tamper(int tamperings) throws IOException {
        try (LogWriter writer = LogWriter.open(made.log, MadeUpRun.keys(), Duration.ZERO)) {
            for (int i = 0; i < 200; i++) {
                writer.append(new LogEntry(Statement.PREDICATE, "before-" + i, MadeUpRun.NOON.toString(), "00".repeat(32)));
            }
        }
        made.certified();
        try (LogWriter writer = LogWriter.open(made.log, MadeUpRun.keys(), Duration.ZERO)) {
            for (int i = 0; i < 100; i++) {
                writer.append(new LogEntry(Statement.PREDICATE, "after-" + i, MadeUpRun.NOON.toString(), "00".repeat(32)));
            }
        }
        List<Path> files = new ArrayList<>(read());
        files.removeIf(file -> !file.toString().contains("tile/") ? false
                : !List.of("tile/entries/000", "tile/0/000", "tile/0/001.p/45", "tile/1/000.p/1").contains(
                        made.log.relativize(file).toString()));
        assertEquals(15, files.size(), files.toString());
        int damaged = 0;
        for (int i = 0; damaged < tamperings; i++) {
            Path file = files.get(i % files.size());
            byte[] whole = Files.readAllBytes(file);
            byte[] bytes = Mutations.damage(whole, i);
            if (!Arrays.equals(whole, bytes)) {
                damaged++;
                assertNamed(file, bytes);
                Files.write(file, whole);
            }
        }
        made.verify();
    }

    /** What a verification reads: certificate, key, proof, account, steps, id key, model, signature, and the log. */
    private List<Path> read() throws IOException {
        TreeSet<Path> files = new TreeSet<>();
        for (Path folder : List.of(made.run.root(), made.log)) {
            try (Stream<Path> all = Files.walk(folder)) {
                all.filter(Files::isRegularFile).filter(file -> !List.of("lethe.lock", "lethe.json", "records.jsonl")
                        .contains(file.getFileName().toString())).forEach(files::add);
            }
        }
        return List.copyOf(files);
    }

    private void assertNamed(Path file, byte[] bytes) throws IOException {
        Path mine = memory.path().resolve("mine.pem");
        if (!Files.exists(mine)) {
            Files.writeString(mine, MadeUpRun.keys().pem());
        }
        Files.write(file, bytes);
        assertThrows(DamagedDataException.class, () -> new Verifier(mine, null, null, null).verify(made.run.root()), file.toString());
        String said = assertThrows(DamagedDataException.class, made::verify, () -> file + ": " + new String(bytes,
                StandardCharsets.UTF_8))
                .getMessage();
        String name = file.getFileName().toString();
        boolean signed = name.equals(Certificate.KEY) && said.contains(Certificate.FILE); // another key: the signature is not its
        assertTrue(said.contains(name) || signed || name.startsWith("4") && said.contains("tile"), () -> file + ": " + said);
    }
}
