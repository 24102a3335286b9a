package dev.lethe.sweep;

import dev.lethe.data.Dataset;
import dev.lethe.data.Record;
import dev.lethe.spec.DataFiles;
import dev.lethe.spec.Spec;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The text that a study's base learned, and text of its kind that no model learns: a line a record.
 *
 * @param learned what the base is trained on
 * @param heldOut what tells how well a model still knows the language
 * @param sample  the most records of each that are measured
 */
record BaseText(Dataset learned, Dataset heldOut, int sample) {
    /** Null for a study without a base. */
    static BaseText load(Spec spec, DataFiles files) {
        Spec.Base base = spec.base();
        return base == null ? null : new BaseText(Dataset.read(files.require(base.data())), Dataset.read(files.require(base.holdout())),
                base.sample());
    }

    List<Record> sampleOfLearned() {
        return spread(learned.records(), sample);
    }

    List<Record> sampleOfHeldOut() {
        return spread(heldOut.records(), sample);
    }

    /** From all parts of a file: whole books lie one after the other. */
    static List<Record> spread(List<Record> text, int most) {
        int count = Math.min(most, text.size());
        return IntStream.range(0, count).mapToObj(i -> text.get((int) ((long) i * text.size() / count))).toList();
    }

    /** What decides the numbers measured on it. */
    List<Object> identity() {
        return List.of(ContentId.id(StudyData.lines(learned)), ContentId.id(StudyData.lines(heldOut)), sample);
    }
}
