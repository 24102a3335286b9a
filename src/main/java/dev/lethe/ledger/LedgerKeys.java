/*
 * A folder of keys, outside of every run, that ledgers lie under. Copies of a ledger are read with it and not without, so a
 * record's gradients die everywhere with its key. A key is destroyed by writing ledger.keys anew without it under a new
 * key-encryption key, and overwriting the old one: whoever kept an older ledger.keys needs a kept ledger-ID.kek as well. In that
 * order: (1) the new key-encryption key, (2) by one rename the new ledger.keys, whose old bytes are overwritten, (3) all other
 * key-encryption keys are overwritten and go. A kill leaves the old pair or the new one, and what else is there is cleared by
 * the next destruction or rotation, which `lethe finish` comes to.
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.LockFile;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import dev.lethe.base.Shred;
import dev.lethe.engine.Work;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.WrappedKeys.Name;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;

/** Keys of records. Any thread; any number of processes, one of which changes the folder at a time while others wait. */
public final class LedgerKeys {
    /** Names the folder in place of what ledgers remember, for when it has moved; a system property or of the environment. */
    public static final String MOVED = "LETHE_LEDGER_KEYS";
    private static final String KEK = "ledger-[0-9a-f]{16}\\.kek";
    private static final String LEFTOVER = "(ledger\\.keys|" + KEK + ")\\.part-\\d+";
    private static final long PATIENCE_MILLIS = 60_000;
    private static final long PAUSE_NANOS = 5_000_000;

    private final Path folder;
    private final String id; // null until read
    private WrappedKeys loaded; // guarded by this

    private LedgerKeys(Path folder, String id) {
        this.folder = folder;
        this.id = id;
    }

    /**
     * The keys in a folder, which is made with none where there are none.
     *
     * @throws BadInputException    when it cannot be made or read, or one of its two files is missing
     * @throws DamagedDataException when it is damaged
     */
    public static LedgerKeys openOrMake(Path folder) {
        Path place = folder.toAbsolutePath().normalize();
        Io.input(folder + ": keys of ledgers cannot be kept there", () -> {
            PrivateFiles.makeFolder(place);
            if (!Files.exists(WrappedKeys.file(place))) {
                try (LockFile _ = lock(place)) {
                    if (!Files.exists(WrappedKeys.file(place))) create(place);
                }
            }
        });
        return new LedgerKeys(place, read(place).id());
    }

    /** A key-encryption key that is there opened keys that may yet come back: it stays. */
    private static void create(Path place) throws IOException {
        List<Path> keks = list(place, KEK);
        if (!keks.isEmpty())
            throw new BadInputException(WrappedKeys.file(place) + ": is missing beside " + keks.getFirst().getFileName() + ": bring"
                    + " it back from a copy, or name a new folder; one whose making was cut off, before any ledger lay under it,"
                    + " may be deleted");
        WrappedKeys.empty().write(place);
    }

    /** Those that a ledger lies under; nothing is read yet. */
    static LedgerKeys of(LedgerManifest.Keys where) {
        return new LedgerKeys(place(Path.of(where.folder())), where.id());
    }

    /** Where a folder is that was once there: as {@link #MOVED} says, or as it was. */
    public static Path place(Path once) {
        String moved = System.getProperty(MOVED, System.getenv(MOVED));
        return (moved == null || moved.isEmpty() ? once : Path.of(moved)).toAbsolutePath().normalize();
    }

    /** @throws BadInputException when keys would lie in the run or ledger whose copies they are to lock */
    public static void requireOutside(Path keys, Path run) {
        if (real(keys).startsWith(real(run)))
            throw new BadInputException(keys + ": lies in " + run + ", whose copies its keys would go along with; name a folder"
                    + " elsewhere for them");
    }

    /** @throws BadInputException when {@link #MOVED} names another folder, which would count from then on */
    static void requireCounts(Path keys) {
        Path counts = place(keys);
        if (!real(counts).equals(real(keys)))
            throw new BadInputException(keys + ": " + MOVED + " names another folder, " + counts + ", where the keys would be looked"
                    + " for; unset it, or name that folder");
    }

    /** Links followed as far as there is something. */
    private static Path real(Path path) {
        Path place = path.toAbsolutePath().normalize();
        try {
            return place.toRealPath();
        } catch (IOException e) {
            return place.getParent() == null ? place : real(place.getParent()).resolve(place.getFileName());
        }
    }

    /**
     * Puts a new key-encryption key in the place of a folder's old one, which is overwritten. Ledgers stay as they are.
     *
     * @return keys that are under it
     * @throws BadInputException when there are no keys, or another process changes them for a minute
     */
    public static int rotate(Path folder) {
        return Work.run("keys", () -> {
            LedgerKeys keys = new LedgerKeys(folder.toAbsolutePath().normalize(), null);
            keys.change(Set.of(), true);
            return read(keys.folder).size();
        });
    }

    static String newId() {
        return HexFormat.of().formatHex(EntryCipher.random(16));
    }

    /** The start of the SHA-256 of ledger and record key: one who does not have the ledger cannot try names of records. */
    static Name name(LedgerManifest.Keys keys, RecordKey record) {
        ByteBuffer both = ByteBuffer.allocate(32).put(HexFormat.of().parseHex(keys.ledger()));
        both.putLong(record.high()).putLong(record.low());
        ByteBuffer hash = ByteBuffer.wrap(Sha256.of(both.array())).order(ByteOrder.LITTLE_ENDIAN);
        return new Name(hash.getLong(), hash.getLong());
    }

    /**
     * Refuses a ledger that lies under keys which cannot be reached now; one in the clear passes.
     *
     * @throws BadInputException naming what is missing
     */
    public static void requireFor(Path ledger) {
        for (LedgerParts.Part part : LedgerParts.of(new LedgerFolder(ledger)).parts()) {
            LedgerManifest.Keys where = part.manifest().keys();
            if (where != null) {
                LedgerKeys keys = of(where);
                keys.mine(read(keys.folder));
            }
        }
    }

    Path folder() {
        return folder;
    }

    String id() {
        return id;
    }

    /**
     * A record's key, to be zeroed when used; null when it is not among them.
     *
     * @throws BadInputException when the folder is not there or is another
     */
    synchronized byte[] key(Name name) {
        if (loaded == null || !loaded.has(name)) loaded = mine(read(folder)); // a training may have added it meanwhile
        if (!loaded.has(name)) loaded = mine(settled(folder)); // or was just about to
        return loaded.key(name);
    }

    /** Gives every one of these names a key that is on the disk, those that have none a new one. */
    synchronized void make(Set<Name> names) {
        if (loaded != null && names.stream().allMatch(loaded::has)) return;
        try (LockFile _ = lock(folder); FileChannel file = PrivateFiles.open(WrappedKeys.file(folder))) {
            ByteBuffer head = ByteBuffer.allocate(WrappedKeys.BLOCK_BYTES);
            LedgerFolder.read(file, head, 0);
            if (loaded == null || !loaded.isStill(head.array(), file.size())) loaded = mine(WrappedKeys.read(folder));
            Set<Name> missing = new LinkedHashSet<>(names);
            missing.removeIf(loaded::has);
            long at = loaded.end();
            ByteBuffer slots = ByteBuffer.wrap(loaded.add(missing));
            while (slots.hasRemaining()) at += file.write(slots, at);
            file.truncate(at);
            file.force(true);
        } catch (IOException e) {
            loaded = null; // what it holds may not be in the file
            throw new BadInputException(WrappedKeys.file(folder) + ": cannot be written: " + Reason.of(e, folder), e);
        }
    }

    /**
     * Destroys keys, and clears what a killed destruction or rotation left. Safe to repeat.
     *
     * @return those that were there
     */
    synchronized int destroy(Set<Name> names) {
        loaded = null;
        return change(names, false);
    }

    private int change(Set<Name> dropped, boolean always) {
        if (!Files.exists(WrappedKeys.file(folder))) read(folder); // which says what is missing, before a lock is put there
        try (LockFile _ = lock(folder)) {
            WrappedKeys now = mine(WrappedKeys.read(folder));
            int there = (int) dropped.stream().filter(now::has).count();
            if (there > 0 || always) put(folder, now.without(dropped));
            else clear(folder, now);
            return there;
        } catch (IOException e) {
            throw new BadInputException(folder + ": keys cannot be changed: " + Reason.of(e, folder), e);
        }
    }

    private static void put(Path folder, WrappedKeys keys) throws IOException {
        keys.write(folder);
        PrivateFiles.sync(folder); // or throws: the disk may still hold the old ledger.keys, which needs the old key
        clear(folder, keys);
    }

    /** Overwrites and removes every key-encryption key but that of these keys, and what killed writers of keys left. */
    private static void clear(Path folder, WrappedKeys keys) throws IOException {
        for (Path file : list(folder, KEK + "|" + LEFTOVER)) if (!file.endsWith(keys.kekName())) Shred.file(file);
        PrivateFiles.syncFolder(folder);
    }

    private static List<Path> list(Path folder, String names) throws IOException {
        return Io.list(folder).stream().filter(file -> file.getFileName().toString().matches(names)).toList();
    }

    private WrappedKeys mine(WrappedKeys keys) {
        if (id != null && !id.equals(keys.id()))
            throw new BadInputException(folder + ": holds other keys (" + keys.id() + ") than the ledger lies under (" + id + ");"
                    + " say where those are by " + MOVED + "=DIR");
        return keys;
    }

    /** Another process may be putting new files in the place of those being read. Not under the lock. */
    private static WrappedKeys read(Path folder) {
        try {
            return WrappedKeys.read(folder);
        } catch (BadInputException | DamagedDataException e) {
            if (!Files.exists(WrappedKeys.file(folder))) throw e; // no lock is put there
            return settled(folder);
        }
    }

    /** While nobody changes them; as they are for one who may not lock them. */
    private static WrappedKeys settled(Path folder) {
        try (LockFile _ = lock(folder)) {
            return WrappedKeys.read(folder);
        } catch (IOException e) {
            return WrappedKeys.read(folder);
        }
    }

    private static LockFile lock(Path folder) throws IOException {
        Path file = folder.resolve("keys.lock");
        for (long end = System.currentTimeMillis() + PATIENCE_MILLIS; ; LockSupport.parkNanos(PAUSE_NANOS)) {
            LockFile lock = LockFile.take(file, "process " + ProcessHandle.current().pid());
            if (lock != null) return lock;
            if (System.currentTimeMillis() > end)
                throw new BadInputException(folder + ": its keys are being changed by " + LockFile.holder(file) + "; wait for it");
        }
    }
}
