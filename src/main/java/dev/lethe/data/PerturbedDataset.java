package dev.lethe.data;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Problems;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
        Problems problems = new Problems();
        Dataset.MemoryBudget budget = new Dataset.MemoryBudget();
        List<PerturbedRecord> records = new ArrayList<>();
        Map<String, Integer> lineOfId = new HashMap<>();
        String stem = Dataset.stem(file);
        Lines.read(file, problems, (number, text) -> {
            if (text.isBlank()) {
                return;
            }
            String place = file + ":" + number;
            RecordParser.parsePerturbed(text, place, stem + "-" + number, paraphrase, form, problems).ifPresent(record -> {
                Integer first = lineOfId.putIfAbsent(record.record().id(), number);
                if (first == null) {
                    budget.add(record.record(), place);
                    records.add(record);
                } else {
                    problems.add(place + ": id \"" + record.record().id() + "\" is already that of line " + first);
                }
            });
        });
        problems.throwIfAny();
        if (records.isEmpty()) {
            throw new BadInputException(file + ": no records in it");
        }
        return new PerturbedDataset(file, records);
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
