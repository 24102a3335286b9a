/*
 * The records of a proof: what was erased, and controls that no model of the lineage ever saw. Copies of learned records are no
 * controls.
 */
package dev.lethe.prove;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.ProofRequest;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.text.Copies;
import dev.lethe.text.Encoder;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * @param erased      records that the erasure took out, one of each text: what stands twice would have no rare words
 * @param taken       all that it took out
 * @param controls    records never seen, one of each text
 * @param kept        records that the model still knows
 * @param paraphrases by id, erased records and controls in other words; may be empty
 * @param context     tokens that the model reads at most
 */
record Material(List<TextRecord> erased, List<TextRecord> taken, List<TextRecord> controls, List<TextRecord> kept,
                Map<String, TextRecord> paraphrases, Tokenizer tokenizer, int context) implements AutoCloseable {
    /** @throws BadInputException when nothing erased is there to be asked for, or there is no control */
    static Material of(RunFolder run, ProofRequest request) {
        Dataset given = request.data() == null ? null : Dataset.read(request.data(), run.info().data().form());
        List<TextRecord> taken = run.erased(given).records();
        if (taken.isEmpty()) {
            throw new BadInputException((given == null ? run.info().data().path() : given.path()) + ": has none of the records"
                    + " that were erased; name a data file that still has them, to prove that they are gone");
        }
        List<TextRecord> kept = kept(run, given);
        List<TextRecord> strangers = new ArrayList<>(run.data(Split.HOLDOUT).records());
        if (request.controls() != null) {
            strangers.addAll(Dataset.read(request.controls(), run.info().data().form()).records());
        }
        List<TextRecord> learned = Stream.concat(kept.stream(), taken.stream()).toList();
        Copies copies = Copies.among(Stream.concat(learned.stream(), strangers.stream()).toList());
        List<TextRecord> controls = IntStream.range(learned.size(), copies.records().size()).filter(i -> copies.first(i) == i)
                .mapToObj(copies.records()::get).toList();
        if (controls.isEmpty()) {
            throw new BadInputException(run + ": held out no record, and without records never seen nothing can be told; name"
                    + " some, of the same kind");
        }
        Map<String, TextRecord> paraphrases = new HashMap<>();
        if (request.paraphrases() != null) {
            Dataset.read(request.paraphrases(), run.info().data().form()).records()
                    .forEach(record -> paraphrases.put(record.id(), record));
        }
        return new Material(Copies.distinct(taken), taken, controls, kept, paraphrases, Tokenizer.of(run.model()),
                Math.toIntExact(Checkpoint.config(run.model()).shape().context()));
    }

    private static List<TextRecord> kept(RunFolder run, Dataset given) {
        try {
            return run.data(Split.TRAIN).records();
        } catch (BadInputException e) {
            if (given == null) {
                throw e;
            }
            return run.data(Split.TRAIN, given).records();
        }
    }

    /** As the models see them; null for one that does not fit or has nothing to learn. */
    List<Example> encode(List<TextRecord> records) {
        Encoder encoder = new Encoder(tokenizer::encode, tokenizer::chat, tokenizer.endOfText(), context, OnLong.TRUNCATE);
        return records.stream().map(record -> encoded(encoder, record)).toList();
    }

    private static Example encoded(Encoder encoder, TextRecord record) {
        try {
            return encoder.encode(List.of(record)).getFirst();
        } catch (BadInputException e) { // a rewording may leave nothing to say, or not fit
            return null;
        }
    }

    String decode(int[] ids) {
        return tokenizer.decode(ids);
    }

    /** At most so many, evenly spread. */
    static <T> List<T> spread(List<T> all, int most) {
        int count = Math.min(most, all.size());
        return IntStream.range(0, count).mapToObj(i -> all.get((int) ((long) i * all.size() / count))).toList();
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
