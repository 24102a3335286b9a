/*
 * Names of erased records in an erasure's account: HMAC-SHA256 under a key of the erasure's own, so that the account tells
 * nobody who was erased except whoever holds the key and asks for an id he knows. The key lies in journal/id.key; an officer
 * who needs the check keeps it elsewhere, and deleting it makes the account say nothing of anyone.
 */
package dev.lethe.run;

import dev.lethe.base.PrivateFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** A key of 32 random bytes. Immutable, any thread. */
public final class IdKey {
    private static final int BYTES = 32;
    private final byte[] key;

    private IdKey(byte[] key) {
        this.key = key;
    }

    /** A new one, from the system's randomness. */
    public static IdKey random() {
        byte[] key = new byte[BYTES];
        new SecureRandom().nextBytes(key);
        return new IdKey(key);
    }

    public static Path file(Path journal) {
        return journal.resolve("id.key");
    }

    public void write(Path journal) throws IOException {
        PrivateFiles.write(file(journal), key);
    }

    /** The key of an erasure's journal, or null when it was deleted. */
    public static IdKey read(Path journal) throws IOException {
        return Files.isRegularFile(file(journal)) ? new IdKey(Files.readAllBytes(file(journal))) : null;
    }

    /** 32 hexadecimal digits: the first half of HMAC-SHA256(key, text in UTF-8). */
    public String of(String text) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            return HexFormat.of().formatHex(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)), 0, 16);
        } catch (GeneralSecurityException e) {
            throw new AssertionError("every JDK has HMAC-SHA256", e);
        }
    }
}
