/*
 * The file `ledger.keys`: the data keys of records, each wrapped (AES key wrap, RFC 3394) by the key-encryption key that the
 * header names; that one lies in a file of its own, ledger-ID.kek, 64 hexadecimal digits, where ID is the start of its SHA-256.
 * Numbers are little-endian. New slots are appended; what is dropped, and a new key-encryption key, make a new file.
 *
 *   header = magic 8 | version 4 | 0 4 | id of the folder 16 | id of the key-encryption key 8 | 0 20 | crc 4
 *   slot   = name 16 | wrapped key 40 | 0 4 | crc 4
 *
 * A slot whose checksum does not hold is nobody's: one that a killed writer left at the end, or damage, which costs one record.
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.zip.CRC32C;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/** The file's content with the key to it. One thread. */
final class WrappedKeys {
    static final int BLOCK_BYTES = 64; // of the header and of a slot
    private static final long MAGIC = 0x3159454B_4548544CL; // "LTHEKEY1"
    private static final int VERSION = 1;
    private static final int ID_BYTES = 16;
    private static final int KEK_ID_BYTES = 8;
    private static final int WRAPPED_BYTES = EntryCipher.KEY_BYTES + 8;

    /** Which slot: nobody who has the file alone can tell whose it is, {@link LedgerKeys#name}. */
    record Name(long high, long low) {}

    private final byte[] id;
    private final byte[] kek;
    private final Map<Name, byte[]> slots = new LinkedHashMap<>();
    private long end = BLOCK_BYTES; // of the last whole slot in the file

    private WrappedKeys(byte[] id, byte[] kek) {
        this.id = id;
        this.kek = kek;
    }

    static Path file(Path folder) {
        return folder.resolve("ledger.keys");
    }

    /** No keys yet, under a new key-encryption key. */
    static WrappedKeys empty() {
        return new WrappedKeys(EntryCipher.random(ID_BYTES), EntryCipher.random(EntryCipher.KEY_BYTES));
    }

    /**
     * As it lies in a folder.
     *
     * @throws BadInputException    when the file or the key to it is not there
     * @throws DamagedDataException when its header or that key is not as it was written
     */
    static WrappedKeys read(Path folder) {
        Path file = file(folder);
        byte[] bytes = bytes(file, "bring the folder back, or say where it lies by LETHE_LEDGER_KEYS=DIR; keys that are lost for"
                + " good leave nobody who can read the ledger");
        byte[] head = Arrays.copyOf(bytes, BLOCK_BYTES);
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.length < BLOCK_BYTES || !holds(head) || in.getLong() != MAGIC)
            throw new DamagedDataException(file + ": is damaged, its header does not match its checksum; bring it back from a copy"
                    + " that is not older than the last erasure or rotation");
        int version = in.getInt();
        if (version != VERSION)
            throw new BadInputException(file + ": is of format " + version + ", this version reads format " + VERSION);
        byte[] id = new byte[ID_BYTES];
        byte[] kekId = new byte[KEK_ID_BYTES];
        in.position(16).get(id).get(kekId);
        WrappedKeys keys = new WrappedKeys(id, kek(folder, kekId));
        for (int at = BLOCK_BYTES; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
            byte[] slot = Arrays.copyOfRange(bytes, at, at + BLOCK_BYTES);
            if (!holds(slot)) continue;
            in.position(at);
            keys.slots.put(new Name(in.getLong(), in.getLong()), Arrays.copyOfRange(slot, 16, 16 + WRAPPED_BYTES));
            keys.end = at + BLOCK_BYTES;
        }
        return keys;
    }

    private static byte[] kek(Path folder, byte[] id) {
        Path file = folder.resolve(kekName(id));
        String missing = "it opens ledger.keys beside it; bring it back from a copy made since the last erasure or rotation";
        try {
            byte[] kek = HexFormat.of().parseHex(new String(bytes(file, missing), StandardCharsets.US_ASCII).strip());
            if (Arrays.equals(kekId(kek), id)) return kek;
        } catch (IllegalArgumentException e) {
            // told below
        }
        throw new DamagedDataException(file + ": is damaged or another key; " + missing);
    }

    private static byte[] bytes(Path file, String remedy) {
        try {
            return Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            throw new BadInputException(file + ": is not there; " + remedy, e);
        } catch (IOException e) {
            throw new BadInputException(file + ": cannot be read: " + Reason.of(e, file), e);
        }
    }

    private static byte[] kekId(byte[] kek) {
        return Arrays.copyOf(Sha256.of(kek), KEK_ID_BYTES);
    }

    private static String kekName(byte[] id) {
        return "ledger-" + HexFormat.of().formatHex(id) + ".kek";
    }

    String id() {
        return HexFormat.of().formatHex(id);
    }

    /** Name of the file of the key-encryption key. */
    String kekName() {
        return kekName(kekId(kek));
    }

    int size() {
        return slots.size();
    }

    boolean has(Name name) {
        return slots.containsKey(name);
    }

    /** Where the next slot goes. */
    long end() {
        return end;
    }

    /** Whether a file that begins so and is that long is this one. */
    boolean isStill(byte[] head, long bytes) {
        return Arrays.equals(head, header()) && bytes == end;
    }

    /** A record's key, to be zeroed when used; null when there is none, or it does not unwrap. */
    byte[] key(Name name) {
        byte[] wrapped = slots.get(name);
        return wrapped == null ? null : unwrap(wrapped);
    }

    private byte[] unwrap(byte[] wrapped) {
        try {
            Cipher cipher = Cipher.getInstance("AESWrap_256");
            cipher.init(Cipher.UNWRAP_MODE, new SecretKeySpec(kek, "AES"));
            return cipher.unwrap(wrapped, "AES", Cipher.SECRET_KEY).getEncoded();
        } catch (GeneralSecurityException e) {
            return null;
        }
    }

    private byte[] wrap(byte[] key) {
        try {
            Cipher cipher = Cipher.getInstance("AESWrap_256");
            cipher.init(Cipher.WRAP_MODE, new SecretKeySpec(kek, "AES"));
            return cipher.wrap(new SecretKeySpec(key, "AES"));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java does not wrap keys with AES-256", e);
        } finally {
            Arrays.fill(key, (byte) 0);
        }
    }

    /** New random keys for these names; gives their slots, to be appended to the file. */
    byte[] add(Set<Name> names) {
        ByteBuffer out = ByteBuffer.allocate(names.size() * BLOCK_BYTES);
        for (Name name : names) {
            byte[] wrapped = wrap(EntryCipher.random(EntryCipher.KEY_BYTES));
            slots.put(name, wrapped);
            out.put(slot(name, wrapped));
        }
        end += out.capacity();
        return out.array();
    }

    /** The same keys but those dropped, under a new key-encryption key. */
    WrappedKeys without(Set<Name> dropped) {
        WrappedKeys fresh = new WrappedKeys(id, EntryCipher.random(EntryCipher.KEY_BYTES));
        slots.forEach((name, wrapped) -> {
            byte[] key = dropped.contains(name) ? null : unwrap(wrapped);
            if (key != null) fresh.slots.put(name, fresh.wrap(key));
        });
        fresh.end += (long) fresh.slots.size() * BLOCK_BYTES;
        return fresh;
    }

    /** Makes a folder hold these: the key-encryption key first, then, in one step, the file that it opens. */
    void write(Path folder) throws IOException {
        PrivateFiles.write(folder.resolve(kekName()), HexFormat.of().formatHex(kek) + "\n");
        PrivateFiles.write(file(folder), out -> {
            out.write(header());
            for (Map.Entry<Name, byte[]> one : slots.entrySet()) out.write(slot(one.getKey(), one.getValue()));
        });
    }

    private byte[] header() {
        ByteBuffer out = ByteBuffer.allocate(BLOCK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        return summed(out.putLong(MAGIC).putInt(VERSION).putInt(0).put(id).put(kekId(kek)));
    }

    private static byte[] slot(Name name, byte[] wrapped) {
        ByteBuffer out = ByteBuffer.allocate(BLOCK_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        return summed(out.putLong(name.high).putLong(name.low).put(wrapped));
    }

    private static byte[] summed(ByteBuffer block) {
        return block.putInt(BLOCK_BYTES - 4, crc(block.array())).array();
    }

    private static boolean holds(byte[] block) {
        return ByteBuffer.wrap(block).order(ByteOrder.LITTLE_ENDIAN).getInt(BLOCK_BYTES - 4) == crc(block);
    }

    private static int crc(byte[] block) {
        CRC32C crc = new CRC32C();
        crc.update(block, 0, BLOCK_BYTES - 4);
        return (int) crc.getValue();
    }
}
