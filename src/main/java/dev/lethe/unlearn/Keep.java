package dev.lethe.unlearn;

import com.fasterxml.jackson.annotation.JsonCreator;
import dev.lethe.data.Copies;
import dev.lethe.data.DataForm;
import dev.lethe.data.Dataset;
import dev.lethe.data.Example;
import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import dev.lethe.train.RunFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import tools.jackson.databind.annotation.JsonSerialize;
import tools.jackson.databind.ser.std.ToStringSerializer;

/**
 * Text besides a run's own records that a model must still know after an erasure, such as what its base was trained on: repair
 * is held to what the model said of a part of it (Hold), the rest is watched.
 *
 * @param data  a data file; a .jsonl is read as the run's own was
 * @param guard most that the mean loss of the part that is watched may rise, nats a token, at the end
 */
public record Keep(@JsonSerialize(using = ToStringSerializer.class) Path data, double guard) {
    /** Nats a token. */
    public static final double GUARD = 0.05;

    @JsonCreator
    public Keep {
        if (!(guard > 0)) {
            throw new IllegalArgumentException("keep guard is " + guard + ", allowed: above 0");
        }
    }

    /**
     * The examples as the run's model sees them.
     *
     * @throws BadInputException when some say what is to be erased
     */
    List<Example> examples(RunFolder run, List<Record> erased) {
        String name = data.getFileName().toString().toLowerCase(Locale.ROOT);
        boolean text = name.endsWith(".txt") || name.endsWith(".txt.gz");
        Dataset kept = Dataset.read(data, text ? DataForm.DEFAULT : run.info().data().form());
        List<Record> all = new ArrayList<>(erased);
        all.addAll(kept.records());
        Copies copies = Copies.among(all);
        List<String> same = IntStream.range(erased.size(), all.size()).filter(i -> copies.first(i) < erased.size())
                .mapToObj(i -> all.get(i).id() + " is a copy of " + all.get(copies.first(i)).id()).toList();
        if (!same.isEmpty()) {
            throw new BadInputException(data + ": is to be kept, but " + same.size() + " of it say what is to be erased, the first: "
                    + same.getFirst() + "; take them out");
        }
        return RunExamples.encode(run, kept.records());
    }
}
