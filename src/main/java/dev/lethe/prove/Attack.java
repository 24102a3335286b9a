package dev.lethe.prove;

import dev.lethe.results.Row;
import java.util.List;

/** A way of asking one model for what was erased; asked in the same way of every model of a proof. One file each. */
sealed interface Attack permits Membership, Regurgitation, Shifts, Relearning, Rounding, Distance {
    /** All, in the order of EDPB Opinion 28/2024, paragraph 55. */
    static List<Attack> all() {
        return List.of(new Membership(), new Regurgitation(), new Shifts(), new Relearning(), new Rounding(), new Distance());
    }

    /** A word or two with dashes, also of a file. */
    String name();

    /** What it asks, for a reader who is no engineer. */
    String question();

    String papers();

    /** What it finds of one model, which is as before afterwards. */
    List<Row> rows(Suspect suspect, Bench bench);

    /** Why there can be no verdict, whatever the rows say; null when there can. */
    default String undecided(Bench bench) {
        return null;
    }

    /** Whether its rows are only told. */
    default boolean descriptive() {
        return false;
    }
}
