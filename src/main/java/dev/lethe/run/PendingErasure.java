/*
 * What an erasure still owes after its new run is in place: journal/pending.json of that run, there from before the run gets
 * its name until no reachable run of the lineage holds anything of the erased. While it is there, the runs it names are not
 * opened for work. The only file that holds the ids of erased records; removed with its bytes overwritten.
 */
package dev.lethe.run;

import dev.lethe.LetheException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.results.Destroyed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * @param erasure its id
 * @param records ids of the erased records
 * @param places  the runs of the lineage
 */
public record PendingErasure(String erasure, List<String> records, List<Destroyed> places) {
    public PendingErasure {
        records = List.copyOf(records);
        places = List.copyOf(places);
    }

    public static Path file(Path journal) {
        return journal.resolve("pending.json");
    }

    /**
     * What a run's own erasure owes, or null; also where a kill cut off the overwriting of a file that was done with.
     *
     * @throws DamagedDataException when it cannot be read: then nobody knows what is still owed
     */
    public static PendingErasure of(RunFolder run) {
        Path file = file(run.journal());
        if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            return null;
        }
        try {
            String text = Files.readString(file);
            return text.isEmpty() || text.charAt(0) == 0 ? null : RunJson.read(text, PendingErasure.class, file.toString());
        } catch (IOException | DamagedDataException e) {
            throw new DamagedDataException(file + ": says what an erasure still owes and cannot be read (" + Reason.of(e, file)
                    + "); erase the same records again from the runs of its lineage, then delete it");
        }
    }

    /** Whole or not at all. */
    public void write(Path journal) throws IOException {
        PrivateFiles.write(file(journal), RunJson.pretty(this));
    }

    public PendingErasure with(Function<Destroyed, Destroyed> change) {
        return new PendingErasure(erasure, records, places.stream().map(change).toList());
    }

    public boolean done() {
        return places.stream().allMatch(Destroyed::done);
    }

    public List<Destroyed> open() {
        return places.stream().filter(place -> !place.done()).toList();
    }

    /**
     * Refuses a run that an unfinished erasure made, or that still holds something of the erased. Changes nothing.
     *
     * @throws PendingErasureException naming what is left and how to finish
     */
    static void requireNone(RunFolder run) {
        for (RunFolder one : Lineage.of(run).runs()) {
            PendingErasure pending = of(one);
            if (pending != null && (one == run || pending.open().stream()
                    .anyMatch(place -> place.identity().equals(run.identity())))) {
                throw new PendingErasureException(one, pending);
            }
        }
    }

    /** What is left to do, for a person. */
    public String left(RunFolder made) {
        return "erasure " + erasure + " is not finished, records that it erased may still be in " + open().stream()
                .map(Destroyed::toString).collect(Collectors.joining(", ")) + "; finish it with: lethe finish " + made;
    }

    /** A run is not to be worked with, or an erasure not to be called done, before {@code lethe finish} has completed it. */
    public static final class PendingErasureException extends LetheException {
        private static final long serialVersionUID = 1;

        /** @param made the run that the erasure made */
        public PendingErasureException(RunFolder made, PendingErasure pending) {
            super(Code.DAMAGED, made + ": " + pending.left(made), null);
        }

        /** @param cause what it broke off with */
        public PendingErasureException(RunFolder made, PendingErasure pending, Throwable cause) {
            super(Code.DAMAGED, made + ": " + pending.left(made) + " (it broke off: " + Reason.of(cause) + ")", cause);
        }
    }
}
