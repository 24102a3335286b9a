package dev.lethe.data;

import java.util.List;

/**
 * A question with its learned answer, the same answer in other words, and wrong answers of the same form: a line of
 * TOFU's evaluation sets.
 *
 * @param record     prompt and answer
 * @param paraphrase the answer in other words, or null
 * @param perturbed  wrong answers, at least one
 */
public record PerturbedRecord(Record record, String paraphrase, List<String> perturbed) {
    public PerturbedRecord {
        perturbed = List.copyOf(perturbed);
        if (record.prompt() == null || perturbed.isEmpty()) {
            throw new IllegalArgumentException("record " + record.id() + ": needs a prompt and at least one wrong answer");
        }
    }

    /** The record with another answer, for scoring it; {@code which} ends its id. */
    public Record with(String answer, String which) {
        return record.answered(record.id() + " (" + which + ")", answer);
    }
}
