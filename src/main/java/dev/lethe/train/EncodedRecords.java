/* The records of a training as token ids, checked against the model. */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.run.RunRecord;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.Encoder;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Examples by split, each in the order of its records; {@code truncated} counts training records only. */
record EncodedRecords(List<Example> train, List<Example> holdout, int truncated) {

    static EncodedRecords of(Holdout split, LoadedModel loaded, TrainConfig config) {
        ModelShape shape = loaded.model().shape();
        Encoder encoder = new Encoder(loaded.tokenizer()::encode, loaded.tokenizer()::chat, loaded.tokenizer().endOfText(),
                Math.toIntExact(shape.context()), config.onLong());
        List<Example> holdout = encode(split.holdout(), encoder, shape);
        List<Example> train = encode(split.train(), encoder, shape);
        return new EncodedRecords(train, holdout, encoder.truncated());
    }

    private static List<Example> encode(Dataset data, Encoder encoder, ModelShape shape) {
        List<Example> examples = encoder.encode(data.records());
        for (Example example : examples) {
            int largest = Math.max(Arrays.stream(example.tokens()).max().orElse(0),
                    Arrays.stream(example.targets()).max().orElse(0));
            if (largest >= shape.vocabulary()) {
                throw new BadInputException(data.path() + ": record " + example.id() + " has token " + largest
                        + ", but the model's vocabulary is " + shape.vocabulary()
                        + "; use the model's own tokenizer, or a larger vocab=");
            }
        }
        return examples;
    }

    /** Target tokens of one epoch. */
    long targets() {
        return train.stream().mapToLong(Example::targetCount).sum();
    }

    /** The lines of records.jsonl, learned records first. */
    List<RunRecord> records(Holdout split, boolean keepText) {
        List<RunRecord> records = new ArrayList<>();
        for (Example example : train) {
            records.add(RunRecord.of(split.train().byId(example.id()), example.tokens().length, Split.TRAIN, keepText));
        }
        for (Example example : holdout) {
            records.add(RunRecord.of(split.holdout().byId(example.id()), example.tokens().length, Split.HOLDOUT, keepText));
        }
        return records;
    }
}
