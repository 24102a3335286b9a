package dev.lethe.data;

import dev.lethe.BadInputException;
import java.nio.file.Path;
import java.util.List;

/**
 * The records of one of TOFU's evaluation sets, in file order: JSON Lines with {@code prompt}, {@code completion},
 * {@code perturbed} (a list of wrong answers) and, where the set was learned, {@code paraphrase}. Other keys are ignored.
 * Immutable.
 *
 * @param path    where they came from
 * @param records at least one, ids differ
 */
public record PerturbedDataset(Path path, List<PerturbedRecord> records) {
    public PerturbedDataset {
        records = List.copyOf(records);
    }

    /** Reads a file with the usual names of fields. */
    public static PerturbedDataset read(Path file, boolean paraphrase) {
        return read(file, paraphrase, DataForm.DEFAULT);
    }

    /**
     * Reads a file whole.
     *
     * @param paraphrase whether every record must have a paraphrase
     * @param form       how lines are read
     * @throws BadInputException listing up to 20 problems as {@code file:line: what is wrong}
     * @throws dev.lethe.InterruptedWorkException when its thread is interrupted
     */
    public static PerturbedDataset read(Path file, boolean paraphrase, DataForm form) {
        return new PerturbedDataset(file, Dataset.records(file, PerturbedRecord::record,
                (text, place, ownId, problems) -> RecordParser.parsePerturbed(text, place, ownId, paraphrase, form, problems)));
    }

    /** The first so many records, or all where there are fewer. */
    public PerturbedDataset first(int count) {
        return new PerturbedDataset(path, records.subList(0, Math.min(count, records.size())));
    }

    public int size() {
        return records.size();
    }

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
}
