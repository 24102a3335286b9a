/*
 * Which records are kept out of training. With ten subjects or more whole subjects are held out, so that "held out" means
 * people never seen; below that, single records.
 */
package dev.lethe.train;

import dev.lethe.data.Dataset;
import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/** Learned and held-out records, disjoint, each in the order of its file. */
record Holdout(Dataset train, Dataset holdout) {
    private static final int SUBJECTS = 10;

    static Holdout of(Dataset data, TrainConfig config) {
        if (config.holdoutData() != null) {
            return separate(data, Dataset.read(config.holdoutData()));
        }
        Set<String> out = config.holdoutFraction() == 0 ? Set.of()
                : data.subjects().size() >= SUBJECTS ? ofSubjects(data, config) : ofRecords(data, config);
        Holdout split = new Holdout(data.filter(record -> !out.contains(record.id())),
                data.filter(record -> out.contains(record.id())));
        if (split.train.isEmpty()) {
            throw new BadInputException(data.path() + ": a holdout fraction of " + config.holdoutFraction() + " of "
                    + data.size() + " records leaves nothing to train on");
        }
        return split;
    }

    private static Holdout separate(Dataset data, Dataset holdout) {
        List<String> both = holdout.records().stream().map(Record::id).filter(id -> data.byId(id) != null).toList();
        if (!both.isEmpty()) {
            throw new BadInputException(holdout.path() + ": held-out records must not be in the training data, but "
                    + both.size() + " ids are in both, the first is " + both.getFirst());
        }
        return new Holdout(data, holdout);
    }

    private static Set<String> ofSubjects(Dataset data, TrainConfig config) {
        Set<String> subjects = draw(new ArrayList<>(data.subjects()), config);
        Set<String> ids = new HashSet<>();
        for (Record record : data) {
            if (subjects.contains(record.subject())) {
                ids.add(record.id());
            }
        }
        return ids;
    }

    private static Set<String> ofRecords(Dataset data, TrainConfig config) {
        return draw(new ArrayList<>(data.records().stream().map(Record::id).toList()), config);
    }

    private static Set<String> draw(List<String> names, TrainConfig config) {
        int count = (int) Math.max(1, Math.round(names.size() * config.holdoutFraction()));
        Collections.shuffle(names, new Random(config.seed()));
        return new HashSet<>(names.subList(0, count));
    }
}
