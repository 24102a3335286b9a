/*
 * The two keys of whoever vouches for erasures, in one key store of any kind that the JDK reads (PKCS#12 by default): entry
 * `certificate`, ECDSA on P-256, signs certificates and models; entry `log`, Ed25519, signs the heads of the audit log, for
 * which C2SP wants that kind. The certificate names the log's key, so a verifier needs to trust the first alone. The JDK has no
 * public way to make the X.509 certificate that a store wants beside a key, so its own keytool makes new stores.
 */
package dev.lethe.proof;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.UnrecoverableKeyException;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Keys that sign. Immutable; any thread. */
public final class SigningKeys {
    private static final String CERTIFICATE = "certificate";
    private static final String LOG = "log";
    private static final int DAYS = 3653; // ten years
    private static final int LEAST_LETTERS = 8;
    private static final String PASSWORD = "LETHE_STORE_PASSWORD"; // of the keytool process alone

    private final PrivateKey signing;
    private final PublicKey verifying;
    private final PrivateKey logSigning;
    private final NoteKey log;

    private SigningKeys(PrivateKey signing, PublicKey verifying, PrivateKey logSigning, NoteKey log) {
        this.signing = signing;
        this.verifying = verifying;
        this.logSigning = logSigning;
        this.log = log;
    }

    /**
     * Makes a new store with both keys, and beside it what others verify with: {@code .pem}, the public key of certificates and
     * models, and {@code .vkey}, the log's in C2SP's form.
     *
     * @param store a file that is not there
     * @param password of the store
     * @return the keys
     * @throws BadInputException when it is, the password is too short, or there is no keytool in this Java
     */
    public static SigningKeys make(Path store, char[] password) {
        if (password.length < LEAST_LETTERS) {
            throw new BadInputException("the password of a key store needs " + LEAST_LETTERS + " characters or more");
        }
        Path pem = beside(store, ".pem");
        Path vkey = beside(store, ".vkey");
        for (Path file : List.of(store, pem, vkey)) {
            if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
                throw new BadInputException(file + ": is there already, and a key that is overwritten is lost; name"
                        + " another file");
            }
        }
        return Io.input(store + ": cannot be made", () -> {
            Path folder = PrivateFiles.makeFolder(store.toAbsolutePath().getParent());
            Path work = PrivateFiles.tempFolder(folder, "lethe-keys");
            try {
                Path made = work.resolve("keys.p12");
                keytool(made, CERTIFICATE, password, "-keyalg", "EC", "-groupname", "secp256r1", "-sigalg", "SHA256withECDSA");
                keytool(made, LOG, password, "-keyalg", "Ed25519");
                PrivateFiles.write(store, Files.readAllBytes(made));
            } finally {
                PrivateFiles.deleteTree(work);
            }
            SigningKeys keys = open(store, password, Instant.now());
            PrivateFiles.write(pem, keys.pem());
            PrivateFiles.write(vkey, keys.log.text() + "\n");
            return keys;
        });
    }

    /**
     * {@return the public part that lies beside a store}
     *
     * @param store a PKCS#12 file
     * @param ending such as .pem
     */
    public static Path beside(Path store, String ending) {
        String name = store.getFileName().toString();
        int dot = name.lastIndexOf('.');
        return store.resolveSibling((dot > 0 ? name.substring(0, dot) : name) + ending);
    }

    private static void keytool(Path store, String alias, char[] password, String... kind) throws IOException {
        Path tool = Path.of(System.getProperty("java.home"), "bin", File.separatorChar == '\\' ? "keytool.exe" : "keytool");
        if (!Files.isExecutable(tool)) {
            throw new BadInputException(tool + ": is not there, so this Java cannot make a key store; make one elsewhere"
                    + ", or name one that has the entries certificate (EC, secp256r1) and"
                    + " log (Ed25519)");
        }
        List<String> command = new ArrayList<>(List.of(tool.toString(), "-genkeypair", "-alias", alias,
                "-dname", "CN=Lethe " + alias, "-validity", String.valueOf(DAYS), "-storetype", "PKCS12",
                "-keystore", store.toString(), "-storepass:env", PASSWORD));
        command.addAll(List.of(kind));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put(PASSWORD, new String(password));
        builder.environment().keySet().removeIf(name -> name.equals("JAVA_TOOL_OPTIONS") || name.equals("JDK_JAVA_OPTIONS"));
        Process process = builder.start();
        process.getOutputStream().close();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            if (process.waitFor() != 0) {
                throw new BadInputException(tool + " failed: " + said.strip());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    /**
     * Opens a store.
     *
     * @param at when the certificates in it must be valid: now
     * @param store a PKCS#12 file
     * @param password of the store
     * @return the keys
     * @throws BadInputException when it is not there, the password is another, an entry is missing or of another kind,
     *     or a
     *                           certificate is not valid
     */
    public static SigningKeys open(Path store, char[] password, Instant at) {
        if (!Files.isRegularFile(store)) {
            throw new BadInputException(store + ": there is no such key store; make one with lethe keys new " + store);
        }
        try {
            KeyStore keys = KeyStore.getInstance(store.toFile(), password);
            PrivateKey signing = key(keys, CERTIFICATE, password, store);
            List<X509Certificate> chain = chain(keys, CERTIFICATE);
            PublicKey verifying = chain.getFirst().getPublicKey();
            if (!Pem.isP256(verifying)) {
                throw new BadInputException(store + ": its entry certificate is no key on the curve P-256 (EC, secp256r1)");
            }
            String problem = Pem.problem(chain, at);
            if (problem != null) {
                throw new BadInputException(store + ": " + problem + "; nothing can be signed with it");
            }
            PrivateKey logSigning = key(keys, LOG, password, store);
            byte[] encoded = chain(keys, LOG).getFirst().getPublicKey().getEncoded();
            if (!logSigning.getAlgorithm().equals("EdDSA") || encoded.length != NoteKey.SPKI.length + NoteKey.BYTES) {
                throw new BadInputException(store + ": its entry log is no Ed25519 key");
            }
            byte[] raw = Arrays.copyOfRange(encoded, NoteKey.SPKI.length, encoded.length);
            return new SigningKeys(signing, verifying, logSigning, NoteKey.of(raw));
        } catch (IOException e) {
            if (e.getCause() instanceof UnrecoverableKeyException) {
                throw new BadInputException(store + ": the password is not this key store's", e);
            }
            throw new BadInputException(store + ": cannot be read: " + Reason.of(e, store), e);
        } catch (GeneralSecurityException e) {
            throw new BadInputException(store + ": is no key store that this Java reads: " + Reason.of(e), e);
        }
    }

    private static PrivateKey key(KeyStore keys, String alias, char[] password, Path store) throws GeneralSecurityException {
        Key key = keys.getKey(alias, password);
        if (!(key instanceof PrivateKey secret)) {
            throw new BadInputException(store + ": has no private key under the name " + alias + "; it needs certificate"
                    + " (EC, secp256r1) and log (Ed25519), as lethe keys new makes them");
        }
        return secret;
    }

    private static List<X509Certificate> chain(KeyStore keys, String alias) throws GeneralSecurityException {
        List<X509Certificate> chain = new ArrayList<>();
        for (Certificate one : keys.getCertificateChain(alias)) {
            chain.add((X509Certificate) one);
        }
        return chain;
    }

    /** {@return public key of certificates and models in PEM} */
    public String pem() {
        return Pem.of(verifying);
    }

    /** {@return SHA-256 of that key, in hex} */
    public String fingerprint() {
        return Pem.fingerprint(verifying);
    }

    PublicKey verifying() {
        return verifying;
    }

    NoteKey log() {
        return log;
    }

    /** ECDSA P-256 with SHA-256, in DER. */
    byte[] sign(byte[] message) {
        return signature("SHA256withECDSA", signing, message);
    }

    byte[] signHead(byte[] text) {
        return signature("Ed25519", logSigning, text);
    }

    private static byte[] signature(String algorithm, PrivateKey key, byte[] message) {
        try {
            Signature signature = Signature.getInstance(algorithm);
            signature.initSign(key);
            signature.update(message);
            return signature.sign();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("the key that was just read does not sign with " + algorithm, e);
        }
    }
}
