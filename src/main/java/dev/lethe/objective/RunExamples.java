package dev.lethe.objective;

import dev.lethe.base.BadInputException;
import dev.lethe.data.DataForm;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Keep;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.Copies;
import dev.lethe.text.Encoder;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A run's records and what its model sees of them.
 *
 * @param data    what it learned
 * @param learned the same, encoded
 * @param heldOut what it never saw, encoded, one of each text and none that is a copy of a learned one; may be empty
 * @param copies  of what it learned, then of all it held out
 */
public record RunExamples(Dataset data, List<Example> learned, List<Example> heldOut, Copies copies) {
    /** Copies that a message names. */
    private static final int SHOWN = 10;

    /** Reads and encodes; {@code given} stands in for the run's data file when not null. */
    public static RunExamples of(RunFolder run, Dataset given) {
        Dataset learned = given == null ? run.data(Split.TRAIN) : run.data(Split.TRAIN, given);
        Dataset heldOut = given == null ? run.data(Split.HOLDOUT) : run.data(Split.HOLDOUT, given);
        Copies copies = Copies.among(Stream.concat(learned.records().stream(), heldOut.records().stream()).toList());
        List<TextRecord> neverSeen = IntStream.range(learned.size(), copies.records().size()).filter(i -> copies.first(i) == i)
                .mapToObj(copies.records()::get).toList();
        return new RunExamples(learned, encode(run, learned.records()), encode(run, neverSeen), copies);
    }

    /** Records as the run's model sees them. */
    public static List<Example> encode(RunFolder run, List<TextRecord> records) {
        try (Tokenizer tokenizer = Tokenizer.of(run.model())) {
            return encode(tokenizer, Checkpoint.config(run.model()).shape(), records);
        }
    }

    public static List<Example> encode(Tokenizer tokenizer, ModelShape shape, List<TextRecord> records) {
        return new Encoder(tokenizer::encode, tokenizer::chat, tokenizer.endOfText(), Math.toIntExact(shape.context()), OnLong.TRUNCATE)
                .encode(records);
    }

    /**
     * Text to keep as the run's model sees it.
     *
     * @throws BadInputException when some say what is to be erased
     */
    public static List<Example> of(RunFolder run, Keep keep, List<TextRecord> erased) {
        String name = keep.data().getFileName().toString().toLowerCase(Locale.ROOT);
        boolean text = name.endsWith(".txt") || name.endsWith(".txt.gz");
        Dataset kept = Dataset.read(keep.data(), text ? DataForm.DEFAULT : run.info().data().form());
        List<TextRecord> all = new ArrayList<>(erased);
        all.addAll(kept.records());
        Copies copies = Copies.among(all);
        List<String> same = IntStream.range(erased.size(), all.size()).filter(i -> copies.first(i) < erased.size())
                .mapToObj(i -> all.get(i).id() + " is a copy of " + all.get(copies.first(i)).id()).toList();
        if (!same.isEmpty()) {
            throw new BadInputException(keep.data() + ": is to be kept, but " + same.size() + " of it say what is to be erased, the first: "
                    + same.getFirst() + "; take them out");
        }
        return encode(run, kept.records());
    }

    /** @throws BadInputException when an id is not among the learned records or nothing would be left */
    public EraseData split(Set<String> ids, List<Example> keep, EraseConfig config) {
        List<Example> forget = learned.stream().filter(example -> ids.contains(example.id())).toList();
        if (forget.size() != ids.size()) {
            throw new BadInputException(ids.size() - forget.size() + " of the " + ids.size()
                    + " records to erase are not among those the run learned");
        }
        List<Example> retain = learned.stream().filter(example -> !ids.contains(example.id())).toList();
        Set<String> texts = Copies.distinct(data.filter(record -> ids.contains(record.id())).records()).stream().map(TextRecord::id)
                .collect(Collectors.toSet());
        List<Example> distinct = forget.stream().filter(example -> texts.contains(example.id())).toList();
        return EraseData.of(forget, distinct, retain, heldOut, keep, config);
    }

    /**
     * Learned records that are copies of those to forget without being among them, and held-out ones that are copies of any
     * learned.
     *
     * @throws BadInputException when there are some of the first and the rule is to refuse
     */
    public List<Copy> copiesOf(Set<String> ids, Copy.Rule rule) {
        List<TextRecord> records = copies.records();
        Map<Integer, Integer> forgotten = new HashMap<>(); // by group, its first forgotten record
        IntStream.range(0, data.size()).filter(i -> ids.contains(records.get(i).id()))
                .forEach(i -> forgotten.putIfAbsent(copies.first(i), i));
        List<Copy> found = new ArrayList<>();
        for (int i = 0; i < records.size(); i++) {
            TextRecord record = records.get(i);
            boolean heldOut = i >= data.size();
            boolean asked = !heldOut && ids.contains(record.id());
            Integer of = forgotten.get(copies.first(i));
            if (of != null && !asked) {
                boolean taken = heldOut ? rule != Copy.Rule.KEEP : rule == Copy.Rule.TAKE;
                found.add(copy(i, of, heldOut, taken));
            } else if (heldOut && copies.first(i) < data.size()) {
                found.add(copy(i, copies.first(i), true, false));
            }
        }
        List<Copy> staying = found.stream().filter(copy -> !copy.heldOut()).toList();
        if (rule == Copy.Rule.REFUSE && !staying.isEmpty()) {
            throw new BadInputException(staying.size() + " learned records are not of the request and say what it is to erase: "
                    + staying.stream().limit(SHOWN).map(Copy::toString).collect(Collectors.joining(", "))
                    + (staying.size() > SHOWN ? ", ..." : "") + "; erase them too (copies take), or leave them"
                    + " (copies keep), by which the model may still know the erased ones");
        }
        return found;
    }

    private Copy copy(int record, int of, boolean heldOut, boolean taken) {
        TextRecord one = copies.records().get(record);
        return new Copy(one.id(), one.subject(), copies.records().get(of).id(), copies.likeness(record, of), heldOut, taken);
    }
}
