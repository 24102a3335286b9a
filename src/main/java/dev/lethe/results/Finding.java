package dev.lethe.results;

import java.util.List;

/**
 * What one attack showed.
 *
 * @param sentence for a reader who is no engineer
 * @param rows     every number, of the erased model, the original and the retrained ones
 * @param seconds  it took, of parts that were kept too
 */
public record Finding(String attack, String question, String papers, Outcome outcome, String sentence, List<Row> rows,
                      double seconds) {
    public Finding {
        rows = List.copyOf(rows);
    }

    /** TOLD is not judged. */
    public enum Outcome {
        FOUND, NOT_FOUND, UNDECIDED, TOLD;

        /** In words. */
        public String words() {
            return switch (this) {
                case FOUND -> "found";
                case NOT_FOUND -> "not found";
                case UNDECIDED -> "no verdict";
                case TOLD -> "told, not judged";
            };
        }
    }
}
