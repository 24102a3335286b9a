/*
 * Signed notes of C2SP (signed-note 1.0) under one Ed25519 key, and the key itself as a vkey:
 * NAME+KEYID+BASE64(0x01 || key). Signatures of others that a note carries are passed over, as the specification says.
 */
package dev.lethe.proof;

import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Sha256;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;

/**
 * A public key that signs notes. Immutable, any thread.
 *
 * @param name of the key, and of the log it signs for
 * @param id   first 4 bytes of SHA-256(name || '\n' || 0x01 || raw)
 * @param raw  32 bytes, RFC 8032
 */
record NoteKey(String name, byte[] id, byte[] raw) {
    static final int BYTES = 32;
    /** What comes before the raw key in a SubjectPublicKeyInfo (RFC 8410). */
    static final byte[] SPKI = HexFormat.of().parseHex("302a300506032b6570032100");
    private static final byte ED25519 = 1;
    private static final int ID_BYTES = 4;
    private static final int SIGNATURE_BYTES = 64;
    private static final int MOST_BYTES = 1 << 20;
    private static final String DASH = "\u2014 ";

    /** With the name that Lethe gives a log: of its first key, so that no two logs have one name. */
    static NoteKey of(byte[] raw) {
        return of("lethe.audit/" + Sha256.hex(Sha256.of(raw)).substring(0, 16), raw);
    }

    static NoteKey of(String name, byte[] raw) {
        byte[] id = Sha256.of((name + "\n").getBytes(StandardCharsets.UTF_8), new byte[] {ED25519}, raw);
        return new NoteKey(name, Arrays.copyOf(id, ID_BYTES), raw);
    }

    /** @throws DamagedDataException unless it is the vkey of an Ed25519 key, spelled as {@link #text} does */
    static NoteKey parse(String vkey, String place) {
        String[] parts = vkey.split("\\+", 3);
        if (parts.length == 3 && !parts[0].isEmpty() && parts[0].chars().noneMatch(Character::isWhitespace)) {
            byte[] typed = Dsse.decode(parts[2], place);
            if (typed.length == 1 + BYTES && typed[0] == ED25519) {
                NoteKey key = of(parts[0], Arrays.copyOfRange(typed, 1, typed.length));
                if (key.text().equals(vkey)) {
                    return key;
                }
            }
        }
        throw new DamagedDataException(place + ": is not the verifier key of an Ed25519 key (NAME+ID+KEY)");
    }

    /** The vkey. */
    String text() {
        byte[] typed = new byte[1 + BYTES];
        typed[0] = ED25519;
        System.arraycopy(raw, 0, typed, 1, BYTES);
        return name + "+" + HexFormat.of().formatHex(id) + "+" + Base64.getEncoder().encodeToString(typed);
    }

    boolean same(NoteKey other) {
        return name.equals(other.name) && Arrays.equals(raw, other.raw);
    }

    /** @param text ends with a line end */
    String sign(String text, SigningKeys keys) {
        byte[] signature = keys.signHead(text.getBytes(StandardCharsets.UTF_8));
        byte[] whole = ByteBuffer.allocate(ID_BYTES + signature.length).put(id).put(signature).array();
        return text + "\n" + DASH + name + " " + Base64.getEncoder().encodeToString(whole) + "\n";
    }

    /**
     * The text of a note, once this key is found to have signed it.
     *
     * @throws DamagedDataException when it has not, naming {@code place}
     */
    String open(byte[] note, String place) {
        String all = utf8(note, place);
        int blank = all.lastIndexOf("\n\n");
        if (note.length > MOST_BYTES || blank < 0 || !all.endsWith("\n") || all.chars().anyMatch(c -> c < ' ' && c != '\n')) {
            throw new DamagedDataException(place + ": is no signed note");
        }
        String text = all.substring(0, blank + 1);
        boolean signed = false;
        for (String line : all.substring(blank + 2, all.length() - 1).split("\n", -1)) {
            String[] parts = line.startsWith(DASH) ? line.substring(DASH.length()).split(" ", -1) : new String[0];
            if (parts.length != 2 || parts[0].isEmpty()) {
                throw new DamagedDataException(place + ": has a line where a signature should be and none is");
            }
            byte[] signature = Dsse.decode(parts[1], place);
            if (parts[0].equals(name) && signature.length >= ID_BYTES && Arrays.equals(Arrays.copyOf(signature, ID_BYTES), id)) {
                if (!verifies(text, Arrays.copyOfRange(signature, ID_BYTES, signature.length))) {
                    throw new DamagedDataException(place + ": its signature is not the key's of " + name + ": it was changed");
                }
                signed = true;
            }
        }
        if (!signed) {
            throw new DamagedDataException(place + ": is not signed by the key of " + name + " (" + HexFormat.of().formatHex(id)
                    + ")");
        }
        return text;
    }

    private boolean verifies(String text, byte[] signature) {
        try {
            byte[] encoded = Arrays.copyOf(SPKI, SPKI.length + BYTES);
            System.arraycopy(raw, 0, encoded, SPKI.length, BYTES);
            Signature check = Signature.getInstance("Ed25519");
            check.initVerify(KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(encoded)));
            check.update(text.getBytes(StandardCharsets.UTF_8));
            return signature.length == SIGNATURE_BYTES && check.verify(signature);
        } catch (GeneralSecurityException e) { // not even a signature, or no point of the curve
            return false;
        }
    }

    private static String utf8(byte[] bytes, String place) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            throw new DamagedDataException(place + ": is not UTF-8 text", e);
        }
    }
}
