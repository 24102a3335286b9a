/*
 * An entry's payload under its record's key: AES-256-GCM by the JDK over the whole payload, with the header for associated
 * data, so that an entry that is moved, exchanged or given another header does not open. The nonce is 96 random bits for every
 * entry that is written (SP 800-38D, 8.2.2) and no counter: a resumed training, a copied ledger or a key folder from a backup
 * would bring a counter's values back, and a repeated nonce gives gradients away. A record has one entry an epoch under its
 * key; the chance that two of a million share a nonce is 2^-57.
 */
package dev.lethe.ledger;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Optional;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/** Stateless; any thread. */
final class EntryCipher {
    static final int TAG_BYTES = 16;
    static final int KEY_BYTES = 32;
    private static final int PIECE_BYTES = 1 << 16;
    /** What a ByteBuffer holds. */
    static final long MOST_BYTES = Integer.MAX_VALUE - 1024L;
    private static final SecureRandom RANDOM = new SecureRandom();

    private EntryCipher() {}

    static byte[] random(int bytes) {
        byte[] random = new byte[bytes];
        RANDOM.nextBytes(random);
        return random;
    }

    /**
     * Writes ciphertext and tag of a payload.
     *
     * @param key    zero afterwards
     * @param header complete, with its nonce; all of it is bound but the state
     */
    static void seal(byte[] key, MemorySegment header, MemorySegment clear, MemorySegment to) {
        byte[] piece = new byte[PIECE_BYTES]; // by arrays the JDK encrypts at twice the rate of native buffers
        byte[] sealed = new byte[PIECE_BYTES + 2 * TAG_BYTES];
        try {
            Cipher cipher = cipher(Cipher.ENCRYPT_MODE, key, header);
            long done = 0;
            for (long at = 0; at < clear.byteSize(); at += PIECE_BYTES) {
                int bytes = (int) Math.min(PIECE_BYTES, clear.byteSize() - at);
                MemorySegment.copy(clear, ValueLayout.JAVA_BYTE, at, piece, 0, bytes);
                done += put(sealed, cipher.update(piece, 0, bytes, sealed, 0), to, done);
            }
            put(sealed, cipher.doFinal(sealed, 0), to, done);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java does not encrypt with AES-256-GCM", e);
        } finally {
            Arrays.fill(piece, (byte) 0);
        }
    }

    private static int put(byte[] from, int bytes, MemorySegment to, long at) {
        MemorySegment.copy(from, 0, to, ValueLayout.JAVA_BYTE, at, bytes);
        return bytes;
    }

    /** Writes the payload of ciphertext and tag; false when they are not what was sealed. @param key zero afterwards */
    static boolean open(byte[] key, MemorySegment header, MemorySegment stored, MemorySegment to) {
        try {
            cipher(Cipher.DECRYPT_MODE, key, header).doFinal(stored.asByteBuffer(), to.asByteBuffer());
            return true;
        } catch (AEADBadTagException e) {
            return false;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java does not decrypt with AES-256-GCM", e);
        }
    }

    /** Decrypts a whole entry; gives what is wrong with it, if anything. */
    static Optional<String> decrypt(LedgerManifest.Keys where, LedgerKeys keys, Entry entry, MemorySegment frame, MemorySegment to) {
        byte[] key = keys == null ? null : keys.key(LedgerKeys.name(where, entry.header().key()));
        if (key == null)
            return Optional.of("the record's key is not in " + (keys == null ? "the manifest" : WrappedKeys.file(keys.folder()))
                    + ": it was destroyed or lost; bring back a copy of the keys that is not older than the last erasure");
        MemorySegment stored = frame.asSlice(SegmentLayout.ENTRY_HEADER_BYTES, entry.length());
        return open(key, frame, stored, to) ? Optional.empty()
                : Optional.of("somebody changed, moved or exchanged the entry, or its key: the checksum holds and the key's seal"
                        + " does not");
    }

    private static Cipher cipher(int mode, byte[] key, MemorySegment header) throws GeneralSecurityException {
        byte[] nonce = header.asSlice(SegmentLayout.NONCE_OFFSET, SegmentLayout.NONCE_BYTES).toArray(ValueLayout.JAVA_BYTE);
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(mode, new SecretKeySpec(key, "AES"), new GCMParameterSpec(TAG_BYTES * 8, nonce));
        Arrays.fill(key, (byte) 0); // the cipher has its own
        cipher.updateAAD(SegmentLayout.bound(header));
        return cipher;
    }
}
