package dev.lethe.ledger;

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
}
