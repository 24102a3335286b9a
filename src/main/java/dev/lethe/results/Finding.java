package dev.lethe.results;

import java.util.List;

/**
 * What one attack showed.
 *
 * @param sentence for a reader who is no engineer
 * @param rows every number, of the erased model, the original and the retrained ones
 * @param seconds it took, of parts that were kept too
 * @param attack its name
 * @param question what it asks
 * @param papers where it is from
 * @param outcome what came out
 */
public record Finding(String attack, String question, String papers, Outcome outcome, String sentence, List<Row> rows,
                      double seconds) {
    /** Copies its lists. */
    public Finding {
        rows = List.copyOf(rows);
    }

    /** TOLD is not judged. */
    public enum Outcome {
        /** The attack tells erased records from ones never seen, and it could not if they were gone. */
        FOUND,
        /** It looked, and would have seen what the original gives away. */
        NOT_FOUND,
        /** Too few records, or an attack that finds nothing in the original either. */
        UNDECIDED,
        /** A number to be read, not judged. */
        TOLD;

        /** {@return in words} */
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
