package dev.lethe.ledger;

import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import java.util.ArrayList;
import java.util.List;

/**
 * What reading every byte of a ledger found.
 *
 * @param entries   committed entries, destroyed ones included
 * @param destroyed of which destroyed
 * @param bytes     of all segments on disk
 * @param damage    what is broken, in file order; empty when the ledger is whole
 * @param tails     what interrupted writers left behind after the last committed entry, one a folder; not damage
 */
public record LedgerCheck(int entries, int destroyed, long bytes, List<Damage> damage, List<Tail> tails) {
    /** One broken place; its file as seen from the ledger's folder. */
    public record Damage(String file, long offset, String what) {
        @Override
        public String toString() {
            return file + " at byte " + offset + ": " + what;
        }

        Damage in(LedgerParts.Part part) {
            return new Damage(part.named(file), offset, what);
        }
    }

    /** Bytes after the last committed entry that are no entry. */
    public record Tail(String file, long offset, long bytes) {
        Tail in(LedgerParts.Part part) {
            return new Tail(part.named(file), offset, bytes);
        }
    }

    public LedgerCheck {
        damage = List.copyOf(damage);
        tails = List.copyOf(tails);
    }

    public boolean whole() {
        return damage.isEmpty();
    }

    /** Reads every byte of every folder. */
    static LedgerCheck of(LedgerParts parts) {
        List<LedgerCheck> checks = parts.parts().stream().map(part -> of(part, parts.manifest().identity())).toList();
        return new LedgerCheck(checks.stream().mapToInt(LedgerCheck::entries).sum(), checks.stream().mapToInt(LedgerCheck::destroyed).sum(),
                parts.bytes(), checks.stream().flatMap(check -> check.damage.stream()).toList(),
                checks.stream().flatMap(check -> check.tails.stream()).toList());
    }

    private static LedgerCheck of(LedgerParts.Part part, int identity) {
        LedgerFolder folder = part.folder();
        LedgerManifest manifest = part.manifest();
        LedgerContents contents = LedgerContents.scan(folder, identity);
        List<Damage> damage = new ArrayList<>(contents.damage());
        try {
            LedgerIndex.read(folder, identity);
        } catch (DamagedDataException e) {
            damage.add(new Damage("index", 0, Reason.of(e)));
        }
        int destroyed = 0;
        LedgerKeys keys = manifest.keys() == null ? null : LedgerKeys.of(manifest.keys());
        try (PayloadReader reader = new PayloadReader(folder)) {
            for (Entry entry : contents.entries()) {
                String name = LedgerFolder.segmentName(entry.segment());
                if (entry.destroyed()) destroyed++;
                if (entry.destroyed() && !reader.isGone(entry))
                    damage.add(new Damage(name, entry.offset(), "a destroyed entry still holds its key or bytes"));
                if (entry.destroyed()) continue;
                if (!reader.holds(entry)) damage.add(new Damage(name, entry.offset(), "the payload does not match its checksum"));
                else if (entry.encrypted())
                    reader.unsealed(entry, (frame, room) -> EntryCipher.decrypt(manifest.keys(), keys, entry, frame, room))
                            .ifPresent(what -> damage.add(new Damage(name, entry.offset(), what)));
                else if (keys != null && manifest.keys().all()) damage.add(new Damage(name, entry.offset(), GradientLedger.IN_THE_CLEAR));
            }
        }
        return new LedgerCheck(contents.entries().size(), destroyed, folder.bytes(), damage.stream().map(place -> place.in(part)).toList(),
                contents.tail().map(tail -> tail.in(part)).stream().toList());
    }
}
