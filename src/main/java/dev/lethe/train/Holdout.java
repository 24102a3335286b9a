/*
 * Which records are kept out of training. With ten subjects or more whole subjects are held out, so that "held out" means
 * people never seen; below that, single records. Records that say the same are kept out together: a copy on the other side
 * would make "never seen" a record that was learned.
 */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.Copies;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/** Learned and held-out records, disjoint, each in the order of its file. */
record Holdout(Dataset train, Dataset holdout) {
    private static final System.Logger LOG = System.getLogger("dev.lethe.train");
    private static final int SUBJECTS = 10;
    /** Copies that a message names. */
    private static final int SHOWN = 5;

    static Holdout of(Dataset data, TrainConfig config) {
        if (config.holdoutData() != null) {
            return separate(data, Dataset.read(config.holdoutData(), data.form()));
        }
        if (config.holdoutFraction() == 0) {
            return new Holdout(data, data.filter(record -> false));
        }
        Copies copies = Copies.among(data.records());
        Predicate<TextRecord> drawn = data.subjects().size() >= SUBJECTS ? ofSubjects(data, config)
                : ofRecords(copies, config);
        Set<String> out = copies.withCopies(drawn);
        int pulled = out.size() - (int) data.records().stream().filter(drawn).count();
        Holdout split = new Holdout(data.filter(record -> !out.contains(record.id())),
                data.filter(record -> out.contains(record.id())));
        if (split.train.isEmpty()) {
            throw new BadInputException(data.path() + ": a holdout fraction of " + config.holdoutFraction() + " of "
                    + data.size() + " records leaves nothing to train on" + (pulled == 0 ? "" : ", for " + pulled
                    + " are copies of those drawn; name other records in a file of their own"));
        }
        if (pulled > 0) {
            LOG.log(System.Logger.Level.WARNING, "{0}: {1} records are held out beside those drawn, being equal or nearly equal"
                    + " to one of them", data.path(), pulled);
        }
        return split;
    }

    private static Holdout separate(Dataset data, Dataset holdout) {
        List<String> both = holdout.records().stream().map(TextRecord::id).filter(id -> data.byId(id) != null).toList();
        if (!both.isEmpty()) {
            throw new BadInputException(holdout.path() + ": held-out records must not be in the training data, but "
                    + both.size() + " ids are in both, the first is " + both.getFirst());
        }
        List<String> copied = copied(data, holdout);
        if (!copied.isEmpty()) {
            throw new BadInputException(holdout.path() + ": held-out records must not be in the training data, but "
                    + copied.size() + " equal or nearly equal one there: " + String.join(", ",
                    copied.subList(0, Math.min(SHOWN, copied.size()))) + (copied.size() > SHOWN ? ", ..." : "")
                    + "; take them out of one of the two files");
        }
        return new Holdout(data, holdout);
    }

    /** Of each held-out record that has a copy in the data, both ids. */
    private static List<String> copied(Dataset data, Dataset holdout) {
        List<TextRecord> all = new ArrayList<>(data.records());
        all.addAll(holdout.records());
        Copies copies = Copies.among(all);
        return IntStream.range(data.size(), all.size()).filter(i -> copies.first(i) < data.size())
                .mapToObj(i -> all.get(i).id() + " is a copy of " + all.get(copies.first(i)).id()).toList();
    }

    private static Predicate<TextRecord> ofSubjects(Dataset data, TrainConfig config) {
        Set<String> subjects = draw(new ArrayList<>(data.subjects()), config);
        return record -> subjects.contains(record.subject());
    }

    /** Draws among texts, so that a text with many copies is no likelier than another. */
    private static Predicate<TextRecord> ofRecords(Copies copies, TrainConfig config) {
        List<TextRecord> records = copies.records();
        Set<String> ids = draw(new ArrayList<>(IntStream.range(0, records.size()).filter(i -> copies.first(i) == i)
                .mapToObj(i -> records.get(i).id()).toList()), config);
        return record -> ids.contains(record.id());
    }

    private static Set<String> draw(List<String> names, TrainConfig config) {
        int count = (int) Math.max(1, Math.round(names.size() * config.holdoutFraction()));
        Collections.shuffle(names, new Random(config.seed()));
        return new HashSet<>(names.subList(0, count));
    }
}
