package dev.lethe.proof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Trust in a certificate chain: an authority's certificate for the signer's key, with its times. */
class TrustTest {
    @TempDir
    Path folder;

    private String keytool(Path store, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "keytool").toString()));
        command.addAll(List.of(arguments));
        command.addAll(List.of("-keystore", store.toString(), "-storepass", new String(MadeUpRun.PASSWORD)));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), said);
        return said;
    }

    /** Whoever has a certificate is not thereby one who may give them. */
    @Test
    void aSignerIsNoAuthority() throws Exception {
        Path store = folder.resolve("leaf.p12");
        keytool(store, "-genkeypair", "-alias", "ca", "-dname", "CN=Somebody", "-keyalg", "EC", "-groupname", "secp256r1");
        keytool(store, "-genkeypair", "-alias", "certificate", "-dname", "CN=Officer", "-keyalg", "EC", "-groupname", "secp256r1",
                "-signer", "ca");
        keytool(store, "-genkeypair", "-alias", "log", "-dname", "CN=Log", "-keyalg", "Ed25519");
        String why = ": the certificate of CN=Officer is signed by one that may not vouch for others, CN=Somebody";
        assertEquals(store + why + "; nothing can be signed with it", assertThrows(BadInputException.class,
                () -> SigningKeys.open(store, MadeUpRun.PASSWORD, Instant.now())).getMessage());
        Path chain = Files.writeString(folder.resolve("leaf.pem"), keytool(store, "-list", "-rfc", "-alias", "certificate"));
        assertEquals(chain + why, assertThrows(DamagedDataException.class, () -> Pem.read(chain, Instant.now())).getMessage());
    }

    private Path store(String name) throws Exception {
        Path store = folder.resolve(name);
        keytool(store, "-genkeypair", "-alias", "ca", "-dname", "CN=Authority", "-keyalg", "EC", "-groupname", "secp256r1",
                "-ext", "bc=ca:true");
        keytool(store, "-genkeypair", "-alias", "certificate", "-dname", "CN=Officer", "-keyalg", "EC", "-groupname", "secp256r1",
                "-signer", "ca", "-validity", "10");
        keytool(store, "-genkeypair", "-alias", "log", "-dname", "CN=Log", "-keyalg", "Ed25519");
        return store;
    }

    @Test
    void aChainMustHaveHeldWhenItWasCertified() throws Exception {
        Path store = store("keys.p12");
        Instant now = Instant.now();
        SigningKeys keys = SigningKeys.open(store, MadeUpRun.PASSWORD, now);
        Path chain = Files.writeString(folder.resolve("chain.pem"), keytool(store, "-list", "-rfc", "-alias", "certificate"));
        MadeUpRun made = new MadeUpRun(folder);
        new Certifier(keys, made.log, "R-1", null, MadeUpRun.clock(now)).certify(made.run.root());
        assertTrue(new Verifier(chain, null, null, null).verify(made.run.root()).trusted());

        String pems = Files.readString(chain);
        String leaf = pems.substring(0, pems.indexOf("-----END CERTIFICATE-----")) + "-----END CERTIFICATE-----\n";
        Path other = store("other.p12");
        Path broken = Files.writeString(folder.resolve("broken.pem"), leaf + keytool(other, "-exportcert", "-rfc", "-alias",
                "ca"));
        assertEquals(broken + ": the certificate of CN=Officer is not signed by the next one of its chain",
                assertThrows(DamagedDataException.class, () -> new Verifier(broken, null, null,
                        null).verify(made.run.root())).getMessage());

        Path log = folder.resolve("later");
        Instant later = now.plus(Duration.ofDays(20));
        new Certifier(keys, log, "R-2", null, MadeUpRun.clock(later)).certify(made.run.root());
        String said = assertThrows(DamagedDataException.class, () -> new Verifier(chain, log, null,
                null).verify(made.run.root())).getMessage();
        assertTrue(said.startsWith(chain + ": the certificate of CN=Officer had expired at " + later.toString().substring(0, 19)),
                said);
        Path early = folder.resolve("early");
        new Certifier(keys, early, "R-3", null, MadeUpRun.clock(now.minus(Duration.ofDays(1)))).certify(made.run.root());
        said = assertThrows(DamagedDataException.class, () -> new Verifier(chain, early, null,
                null).verify(made.run.root())).getMessage();
        assertTrue(said.startsWith(chain + ": the certificate of CN=Officer was not valid yet at "), said);
        said = assertThrows(BadInputException.class, () -> SigningKeys.open(store, MadeUpRun.PASSWORD, later)).getMessage();
        assertTrue(said.startsWith(store + ": the certificate of CN=Officer had expired at " + later), said);
        assertTrue(said.endsWith("; nothing can be signed with it"), said);
    }
}
