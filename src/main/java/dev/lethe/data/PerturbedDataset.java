package dev.lethe.data;

import dev.lethe.base.BadInputException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The records of one of TOFU's evaluation sets, in file order: JSON Lines with {@code prompt}, {@code completion},
 * {@code perturbed} (a list of wrong answers) and, where the set was learned, {@code paraphrase}. Other keys are ignored.
 * Immutable.
 *
 * @param path    where they came from
 * @param records at least one, ids differ
 */
public record PerturbedDataset(Path path, List<PerturbedRecord> records) {
    /** Copies its lists. */
    public PerturbedDataset {
        records = List.copyOf(records);
    }

    /**
     * Reads a file with the usual names of fields.
     *
     * @param file .jsonl or .txt, also .gz
     * @param paraphrase whether each line has one
     * @return the set
     */
    public static PerturbedDataset read(Path file, boolean paraphrase) {
        return read(file, paraphrase, DataForm.DEFAULT);
    }

    /**
     * Reads a file whole.
     *
     * @param paraphrase whether every record must have a paraphrase
     * @param form how lines are read
     * @param file .jsonl or .txt, also .gz
     * @return the set
     * @throws BadInputException listing up to 20 problems as {@code file:line: what is wrong}
     * @throws dev.lethe.base.InterruptedWorkException when its thread is interrupted
     */
    public static PerturbedDataset read(Path file, boolean paraphrase, DataForm form) {
        return new PerturbedDataset(file, Dataset.records(file, PerturbedRecord::record,
                (text, place, ownId, problems) -> RecordParser.parsePerturbed(text, place, ownId, paraphrase, form, problems)));
    }

    /**
     * The first so many records, or all where there are fewer.
     *
     * @param count at most so many
     * @return the first
     */
    public PerturbedDataset first(int count) {
        return new PerturbedDataset(path, records.subList(0, Math.min(count, records.size())));
    }

    /** {@return how many records there are} */
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
    public record PerturbedRecord(TextRecord record, @Nullable String paraphrase, List<String> perturbed) {
        /** Refuses a record without a prompt or without a wrong answer. */
        public PerturbedRecord {
            perturbed = List.copyOf(perturbed);
            if (record.prompt() == null || perturbed.isEmpty()) {
                throw new IllegalArgumentException("record " + record.id() + ": needs a prompt and at least one wrong answer");
            }
        }

        /**
         * {@return the record with another answer, for scoring it; {@code which} ends its id}
         *
         * @param answer what stands in the answer's place
         * @param which ends its id
         */
        public TextRecord with(String answer, String which) {
            return record.answered(record.id() + " (" + which + ")", answer);
        }
    }
}
