package dev.lethe.prove;

import dev.lethe.results.Row;
import java.util.List;

/** A way of asking one model for what was erased; asked in the same way of every model of a proof. One file each. */
abstract sealed class Attack permits Membership, Regurgitation, Shifts, Relearning, Rounding, Distance {
    /** All, in the order of EDPB Opinion 28/2024, paragraph 55. */
    static List<Attack> all() {
        return List.of(new Membership(), new Regurgitation(), new Shifts(), new Relearning(), new Rounding(), new Distance());
    }

    final String name;
    final String question;
    final String papers;

    /**
     * @param name     a word or two with dashes, also of a file
     * @param question what it asks, for a reader who is no engineer
     */
    Attack(String name, String question, String papers) {
        this.name = name;
        this.question = question;
        this.papers = papers;
    }

    /** What it finds of one model, which is as before afterwards. */
    abstract List<Row> rows(Suspect suspect, Bench bench);

    /** Why there can be no verdict, whatever the rows say; null when there can. */
    String undecided(Bench bench) {
        return null;
    }

    /** Whether its rows are only told. */
    boolean descriptive() {
        return false;
    }
}
