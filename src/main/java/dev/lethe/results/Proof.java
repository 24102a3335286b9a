package dev.lethe.results;

import dev.lethe.results.Finding.Outcome;
import java.util.List;

/**
 * What attacks on an erased model showed; {@code proof/proof.json} of the run. No name, no text, no path.
 *
 * @param format {@link #FORMAT}
 * @param lethe version that made it
 * @param run identity of the run
 * @param models that were asked
 * @param erased records asked for
 * @param controls records never seen beside them
 * @param outcome FOUND when any attack found something, else NOT_FOUND when any looked and none is open, else UNDECIDED
 * @param verdict a sentence
 * @param notes what to read it with, sentences
 * @param seconds that all parts took
 * @param findings one an attack
 */
public record Proof(int format, String lethe, String run, List<Model> models, int erased, int controls, Outcome outcome,
                    String verdict, List<Finding> findings, List<String> notes, double seconds) {
    public static final int FORMAT = 2;

    /** Copies its lists. */
    public Proof {
        models = List.copyOf(models);
        findings = List.copyOf(findings);
        notes = List.copyOf(notes);
    }

    /**
     * A model that was asked.
     *
     * @param sha256 of its parameters
     * @param name erased, original, retrained 1
     */
    public record Model(String name, String sha256) { }
}
