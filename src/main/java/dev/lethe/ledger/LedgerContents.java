package dev.lethe.ledger;

import dev.lethe.base.DamagedDataException;
import dev.lethe.ledger.LedgerCheck.Damage;
import dev.lethe.ledger.LedgerCheck.Tail;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The committed entries of a ledger as of now, from its index or else from its segments.
 *
 * @param ends    end of the last committed entry of each segment, in the order of `numbers`
 * @param indexed whether the index was there and right: then nothing but a clean close came before
 */
record LedgerContents(List<Integer> numbers, List<Long> ends, List<Entry> entries, List<Damage> damage,
        Optional<Tail> tail, boolean indexed) {
    /** @throws DamagedDataException when a listed segment is gone or cut short; all else is in `damage` */
    static LedgerContents load(LedgerFolder folder, int identity) {
        return LedgerIndex.read(folder, identity).map(LedgerContents::of).orElseGet(() -> scan(folder, identity));
    }

    private static LedgerContents of(LedgerIndex index) {
        List<Integer> numbers = index.segments().stream().map(LedgerIndex.SegmentState::number).toList();
        List<Long> ends = index.segments().stream().map(LedgerIndex.SegmentState::bytes).toList();
        return new LedgerContents(numbers, ends, index.entries(), List.of(), Optional.empty(), true);
    }

    static LedgerContents scan(LedgerFolder folder, int identity) {
        List<Damage> damage = new ArrayList<>();
        List<Integer> numbers = folder.segments();
        int contiguous = 0;
        while (contiguous < numbers.size() && numbers.get(contiguous) == contiguous) contiguous++;
        if (contiguous < numbers.size())
            damage.add(new Damage(LedgerFolder.segmentName(contiguous), 0, "the segment is missing"));
        // Last first: a live writer commits in order, so what a later segment holds was preceded by all of an earlier one.
        List<SegmentScan.Result> segments = new ArrayList<>();
        for (int number = contiguous - 1; number >= 0; number--)
            segments.addFirst(SegmentScan.scan(folder, number, identity));
        List<Entry> entries = new ArrayList<>();
        List<Long> ends = new ArrayList<>();
        Optional<Tail> tail = Optional.empty();
        boolean followed = false; // by a segment with entries
        for (SegmentScan.Result segment : segments.reversed()) {
            String name = LedgerFolder.segmentName(segment.number());
            long left = segment.fileBytes() - segment.end();
            if (followed && (segment.header() == null || !segment.tailZero()))
                damage.add(new Damage(name, segment.end(), left + " bytes here are no entry, yet entries were written "
                        + "after them"));
            else if (left > 0 && !segment.tailZero()) tail = Optional.of(new Tail(name, segment.end(), left));
            followed |= !segment.entries().isEmpty();
        }
        for (SegmentScan.Result segment : segments) {
            boolean counts = segment.header() != null && !segment.entries().isEmpty();
            if (counts && segment.header().firstEntry() != entries.size())
                damage.add(new Damage(LedgerFolder.segmentName(segment.number()), 0, "this segment begins with entry "
                        + segment.header().firstEntry() + ", but " + entries.size() + " were found before it"));
            damage.addAll(segment.damage());
            entries.addAll(segment.entries());
            ends.add(segment.end());
        }
        return new LedgerContents(numbers.subList(0, segments.size()), ends, entries, damage, tail, false);
    }

    /** The first entries and what is broken up to the last of them; what lies behind may be anything. */
    LedgerContents first(LedgerFolder folder, int count) {
        if (count > entries.size())
            throw new DamagedDataException("ledger " + folder.path() + " holds " + entries.size() + " whole entries, the"
                    + " checkpoint was made with " + count + ": some that were on the disk are gone; restore the ledger or"
                    + " train again");
        List<Damage> among = count == 0 ? List.of() : damage.stream().filter(place -> {
            int files = place.file().compareTo(LedgerFolder.segmentName(entries.get(count - 1).segment()));
            return files < 0 || files == 0 && place.offset() <= entries.get(count - 1).offset();
        }).toList();
        return new LedgerContents(numbers, ends, entries.subList(0, count), among, Optional.empty(), indexed);
    }

    /** Entries at the end whose marker reached the disk and whose payload did not: the trace of a power cut. */
    int unwritten(LedgerFolder folder) {
        int dropped = 0;
        try (PayloadReader reader = new PayloadReader(folder)) {
            for (Entry entry : entries.reversed()) {
                if (entry.destroyed() || reader.holds(entry)) break;
                dropped++;
            }
        }
        return dropped;
    }

    /** @throws DamagedDataException naming the first broken place and counting the rest */
    LedgerContents requireWhole(LedgerFolder folder) {
        if (damage.isEmpty()) return this;
        throw new DamagedDataException("ledger " + folder.path() + " is damaged: " + damage.getFirst()
                + (damage.size() > 1 ? " (and " + (damage.size() - 1) + " more places)" : "")
                + ". Its entries from there on cannot be trusted; restore the ledger or train again");
    }
}
