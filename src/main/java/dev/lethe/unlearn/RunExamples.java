package dev.lethe.unlearn;

import dev.lethe.data.Dataset;
import dev.lethe.data.Encoder;
import dev.lethe.data.Example;
import dev.lethe.data.OnLong;
import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.train.RunFolder;
import dev.lethe.train.Split;
import java.util.List;
import java.util.Set;

/**
 * A run's records and what its model sees of them.
 *
 * @param data    what it learned
 * @param learned the same, encoded
 * @param heldOut what it never saw, encoded; may be empty
 */
record RunExamples(Dataset data, List<Example> learned, List<Example> heldOut) {

    /** Reads and encodes; {@code given} stands in for the run's data file when not null. */
    static RunExamples of(RunFolder run, Dataset given) {
        Dataset learned = given == null ? run.data(Split.TRAIN) : run.data(Split.TRAIN, given);
        Dataset heldOut = given == null ? run.data(Split.HOLDOUT) : run.data(Split.HOLDOUT, given);
        return new RunExamples(learned, encode(run, learned.records()), encode(run, heldOut.records()));
    }

    /** Records as the run's model sees them. */
    static List<Example> encode(RunFolder run, List<Record> records) {
        int context = Math.toIntExact(Checkpoint.config(run.model()).shape().context());
        try (Tokenizer tokenizer = Tokenizer.of(run.model())) {
            return new Encoder(tokenizer::encode, tokenizer.endOfText(), context, OnLong.TRUNCATE).encode(records);
        }
    }

    /** @throws BadInputException when an id is not among the learned records or nothing would be left */
    EraseData split(Set<String> ids, EraseConfig config) {
        List<Example> forget = learned.stream().filter(example -> ids.contains(example.id())).toList();
        if (forget.size() != ids.size()) {
            throw new BadInputException(ids.size() - forget.size() + " of the " + ids.size()
                    + " records to erase are not among those the run learned");
        }
        List<Example> retain = learned.stream().filter(example -> !ids.contains(example.id())).toList();
        return EraseData.of(forget, retain, heldOut, config);
    }
}
