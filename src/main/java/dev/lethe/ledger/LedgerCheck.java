package dev.lethe.ledger;

import java.util.List;
import java.util.Optional;

/**
 * What reading every byte of a ledger found.
 *
 * @param entries   committed entries, destroyed ones included
 * @param destroyed of which destroyed
 * @param bytes     of all segments on disk
 * @param damage    what is broken, in file order; empty when the ledger is whole
 * @param tail      what an interrupted writer left behind after the last committed entry, if anything; not damage
 */
public record LedgerCheck(int entries, int destroyed, long bytes, List<Damage> damage, Optional<Tail> tail) {
    /** One broken place. */
    public record Damage(String file, long offset, String what) {
        @Override
        public String toString() {
            return file + " at byte " + offset + ": " + what;
        }
    }

    /** Bytes after the last committed entry that are no entry. */
    public record Tail(String file, long offset, long bytes) {}

    public LedgerCheck {
        damage = List.copyOf(damage);
    }

    public boolean whole() {
        return damage.isEmpty();
    }
}
