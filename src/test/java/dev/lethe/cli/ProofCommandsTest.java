package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.PrivateFilesTest;
import dev.lethe.testing.Grep;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** keys new, erase --key, certify and verify on a tiny run: exit codes, sentences, and what a certificate gives away. */
class ProofCommandsTest {
    @TempDir
    static Path folder;
    private static Path run;
    private static Path keys;
    private static Path password;

    @BeforeAll
    static void train() throws Exception {
        List<String> people = Files.readAllLines(
                Path.of(ProofCommandsTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        Path data = Files.write(folder.resolve("people.jsonl"), people.subList(0, 30));
        Path heldOut = Files.write(folder.resolve("held-out.jsonl"), people.subList(30, 34));
        run = folder.resolve("run");
        keys = folder.resolve("mine/keys.p12");
        password = folder.resolve("password");
        assertEquals(0, Shell.run("train", run, "--quiet", "--data", data, "--model",
                "gpt2:layers=1,hidden=16,heads=2,ctx=48",
                "--epochs", 2,
                "--learning-rate", 5e-3, "--set", "head_top_k=8", "--holdout", heldOut).code());
        JsonNode made = Shell.run("keys", "new", keys, "--password-file", password, "--json", "-").json();
        assertEquals(folder.resolve("mine/keys.pem").toString(), made.get("public_key").asString());
    }

    private static Shell erase(String ids, Path out, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("erase", run, "--quiet", "--ids", ids, "--out", out,
                "--reference", 1,
                "--set", "retain_guard=100", "--set", "held_out_guard=100", "--set", "relearn_steps=0"));
        arguments.addAll(List.of(more));
        return Shell.run(arguments.toArray());
    }

    @Test
    void anErasureIsCertifiedVerifiedAndCertifiedOnce() throws IOException {
        Path out = folder.resolve("erased");
        Shell erased = erase("dave-job,dave-pet", out, "--key", keys, "--set", "password_file=" + password,
                "--set", "request_id=2026/17",
                "--set", "requested=2026-11-01", "--json", "-");
        assertEquals(0, erased.code(), erased.err());
        assertEquals("2026/17", erased.json().at("/certificate/request").asString());
        Path pem = folder.resolve("mine/keys.pem");
        JsonNode verified = Shell.run("verify", out, "--trust", pem, "--json", "-").json();
        assertTrue(verified.get("trusted").asBoolean());
        assertEquals(0, verified.get("index").asInt());
        Shell told = Shell.run("verify", out);
        assertEquals(0, told.code(), told.err());
        assertTrue(told.out().startsWith(out + ": holds\n  the certificate is signed by the key "), told.out());
        assertTrue(told.out().contains("compare its fingerprint"), told.out());
        assertTrue(told.out().contains("\nNot proven:\n"), told.out());
        assertEquals(0, Shell.run("verify", folder.resolve("audit"), "--trust", folder.resolve("mine/keys.vkey")).code());
        assertRefused(2, pem + ": is not the verifier key of an Ed25519 key (NAME+ID+KEY); of a log name the .vkey",
                Shell.run("verify", folder.resolve("audit"), "--trust", pem));
        assertRefused(2, folder.resolve("gone") + ": there is no such model folder",
                Shell.run("verify", out, "--before", folder.resolve("gone")));
        assertRefused(2, folder.resolve("gone") + ": there is no such checkpoint",
                Shell.run("verify", out, "--since", folder.resolve("gone")));
        Shell again = Shell.run("certify", out, "--key", keys, "--password-file", password,
                "--set", "request_id=2026/17", "--json",
                "-");
        assertEquals(erased.json().get("certificate"), again.json(), "nothing new");
        assertEquals(0, Shell.run("inspect", out).code());
        assertEquals(List.of(), Grep.files(folder.resolve("audit"), Grep.text("dave")));
        for (String file : List.of("certificate.dsse.json", "certificate.tlog-proof", "certificate.pem", "model/model.sig")) {
            assertFalse(Files.readString(out.resolve(file)).contains("dave"), file);
        }
        PrivateFilesTest.assertPrivate(out);
        PrivateFilesTest.assertPrivate(folder.resolve("audit"));
        PrivateFilesTest.assertPrivate(folder.resolve("mine"));
        String census = Shell.run("inspect", out, "--personal", "--json", "-").out();
        assertTrue(census.contains("\"kind\" : \"certificate\""), census);
        assertFalse(census.contains("\"kind\" : \"unknown\""), census);
        assertRefused(2, "request 2026/17: has a certificate already, entry 0 of ", erase("dave-town", folder.resolve("never"),
                "--key", keys,
                "--set", "password_file=" + password, "--set", "request_id=2026/17"));
        assertFalse(Files.exists(folder.resolve("never")), "refused before anything is done");
        Path weights = out.resolve("model/model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length / 2] ^= 1;
        Files.write(weights, bytes);
        assertRefused(4, weights + ": is not the file that the certificate names (SHA-256 ", Shell.run("verify", out));
    }

    @Test
    void withoutAKeyThereIsNoCertificateUntilOneIsMade() throws IOException {
        Path out = folder.resolve("plain");
        Shell erased = erase("dave-hobby", out, "--json", "-");
        assertEquals(0, erased.code(), erased.err());
        assertTrue(erased.json().get("certificate").isNull());
        assertRefused(2, out + ": there is nothing to verify: this run has no certificate.dsse.json", Shell.run("verify", out));
        Path log = folder.resolve("other-log");
        assertRefused(2, "a certificate needs a key: name one by --key STORE or LETHE_KEY", Shell.run("certify", out));
        assertEquals(0, Shell.run("certify", out, "--key", keys, "--password-file", password, "--log", log).code());
        assertRefused(4, folder.resolve("audit") + (Files.exists(folder.resolve("audit")) ? "/checkpoint"
                : ": the audit log is not there"),
                Shell.run("verify", out));
        assertEquals(0, Shell.run("verify", out, "--log", log).code());
        assertRefused(2, run + ": is not a run that an erasure made; there is nothing to certify",
                Shell.run("certify", run, "--key", keys, "--password-file", password));
    }

    @Test
    void keysThatAreMissingOrWrong() throws IOException {
        Path out = folder.resolve("none");
        Path wrong = Files.writeString(folder.resolve("wrong"), "not the password\n");
        assertRefused(2, keys + ": the password is not this key store's", erase("dave-job", out, "--key", keys,
                "--set", "password_file=" + wrong));
        assertRefused(2, "password file " + folder.resolve("nowhere") + ": cannot be read: there is no such file",
                erase("dave-job", out, "--key", keys, "--set", "password_file=" + folder.resolve("nowhere")));
        assertRefused(2, folder.resolve("no.p12") + ": there is no such key store; make one with lethe keys new",
                erase("dave-job", out, "--key", folder.resolve("no.p12"), "--set", "password_file=" + password));
        assertRefused(2, "the key store's password is missing", erase("dave-job", out, "--key", keys));
        assertRefused(2, "password_file, request_id, requested and log go with a certificate, which needs --key STORE",
                erase("dave-job", out, "--set", "request_id=1"));
        assertRefused(2, "requested=yesterday: is no time", erase("dave-job", out, "--key", keys,
                "--set", "password_file=" + password,
                "--set", "requested=yesterday"));
        assertRefused(2, keys + ": is there already, and a key that is overwritten is lost", Shell.run("keys", "new", keys,
                "--password-file", password));
        assertRefused(2, "the password of a key store needs 8 characters or more", Shell.run("keys", "new",
                folder.resolve("k.p12"),
                "--password-file", Files.writeString(folder.resolve("short"), "short\n")));
        assertRefused(2, wrong + ": is no key store that this Java reads", erase("dave-job", out, "--key", wrong,
                "--set", "password_file=" + wrong));
        assertFalse(Files.exists(out));
        try (Stream<Path> left = Files.list(folder.resolve("mine"))) {
            assertEquals(List.of("keys.p12", "keys.pem", "keys.vkey"),
                    left.map(file -> file.getFileName().toString()).sorted().toList());
        }
    }

    /** Stores that keytool made, whose certificate is over, or lacks what Lethe needs. */
    @Test
    void storesOfOthers() throws Exception {
        Path expired = folder.resolve("expired.p12");
        keytool(expired, "certificate", "-keyalg", "EC", "-groupname", "secp256r1", "-startdate", "2020/01/01", "-validity",
                "30");
        keytool(expired, "log", "-keyalg", "Ed25519");
        Shell shell = Shell.run("certify", run, "--key", expired, "--password-file", password);
        assertRefused(2, expired + ": the certificate of CN=Test had expired at ", shell);
        Path half = folder.resolve("half.jks");
        keytool(half, "certificate", "-keyalg", "EC", "-groupname", "secp256r1", "-storetype", "JKS");
        assertRefused(2, half + ": has no private key under the name log; it needs certificate (EC, secp256r1) and log (Ed25519)",
                Shell.run("certify", run, "--key", half, "--password-file", password));
        Path other = folder.resolve("curve.p12");
        keytool(other, "certificate", "-keyalg", "EC", "-groupname", "secp384r1");
        keytool(other, "log", "-keyalg", "Ed25519");
        assertRefused(2, other + ": its entry certificate is no key on the curve P-256", Shell.run("certify", run, "--key", other,
                "--password-file", password));
    }

    private static void keytool(Path store, String alias, String... more) throws Exception {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias", alias, "-dname", "CN=Test", "-keystore", store.toString(), "-storepass:file", password.toString(),
                "-keypass:file", password.toString()));
        command.addAll(List.of(more));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), said);
    }

    private static void assertRefused(int code, String message, Shell shell) {
        assertEquals(code, shell.code(), shell.toString());
        assertTrue(shell.err().startsWith("lethe: " + message) || shell.err().startsWith(message), shell.err());
    }
}
