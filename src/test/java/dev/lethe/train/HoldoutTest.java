package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.settings.TrainConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HoldoutTest {
    @TempDir
    Path folder;

    @Test
    void nothingByDefault() {
        Dataset data = new TinyData(folder, 12).data;
        Holdout split = Holdout.of(data, TrainConfig.builder().holdoutFraction(0).build());
        assertEquals(data.records(), split.train().records());
        assertTrue(split.holdout().isEmpty());
    }

    @Test
    void wholeSubjectsFromTenOn() {
        Dataset data = new TinyData(folder, 12).data;
        Holdout split = Holdout.of(data, TrainConfig.builder().holdoutFraction(0.25).build());
        assertEquals(3, split.holdout().subjects().size());
        assertEquals(9, split.holdout().size());
        assertEquals(data.size(), split.train().size() + split.holdout().size());
        Set<String> both = new HashSet<>(split.train().subjects());
        both.retainAll(split.holdout().subjects());
        assertEquals(Set.of(), both);
    }

    @Test
    void recordsBelowTen() {
        Dataset data = new TinyData(folder, 4).data;
        Holdout split = Holdout.of(data, TrainConfig.builder().holdoutFraction(0.25).build());
        assertEquals(3, split.holdout().size());
        assertEquals(9, split.train().size());
    }

    @Test
    void isSeeded() {
        Dataset data = new TinyData(folder, 40).data;
        TrainConfig config = TrainConfig.builder().holdoutFraction(0.2).seed(1).build();
        assertEquals(Holdout.of(data, config).holdout().subjects(), Holdout.of(data, config).holdout().subjects());
        assertTrue(!Holdout.of(data, config).holdout().subjects()
                .equals(Holdout.of(data, config.toBuilder().seed(2).build()).holdout().subjects()));
    }

    @Test
    void refusesAnEmptyTrainingSetAndSharedIds() throws Exception {
        Dataset data = new TinyData(folder, 4).data;
        Dataset one = data.filter(record -> record.id().equals("person0-home"));
        assertEquals(data.path() + ": a holdout fraction of 0.5 of 1 records leaves nothing to train on",
                assertThrows(BadInputException.class,
                        () -> Holdout.of(one, TrainConfig.builder().holdoutFraction(0.5).build())).getMessage());
        Path other = folder.resolve("other.jsonl");
        Files.writeString(other, "{\"id\":\"person1-work\",\"text\":\"a b\"}\n{\"id\":\"x\",\"text\":\"a b\"}\n");
        assertEquals(other + ": held-out records must not be in the training data, but 1 ids are in both, the first is "
                + "person1-work", assertThrows(BadInputException.class,
                        () -> Holdout.of(data, TrainConfig.builder().holdoutData(other).build())).getMessage());
    }

    /** Every text twice, the second time without subject, in capitals and with other white space. */
    private Dataset doubled(int people) throws Exception {
        String first = Files.readString(new TinyData(folder, people).file);
        String second = first.replaceAll("\"id\":\"(.*?)\",\"subject\":\".*?\"", "\"id\":\"$1-again\"").replace("in ", "IN \u00a0");
        return Dataset.read(Files.writeString(folder.resolve("merged.jsonl"), first + second));
    }

    @Test
    void aTextIsOnOneSideHoweverOftenItStands() throws Exception {
        for (int people : new int[] {4, 12}) { // by records, by subjects
            Dataset data = doubled(people);
            Holdout split = Holdout.of(data, TrainConfig.builder().holdoutFraction(0.25).build());
            assertEquals(people * 3 / 4 * 2, split.holdout().size(), "the same share of the texts");
            assertEquals(data.size(), split.train().size() + split.holdout().size());
            for (TextRecord record : split.holdout()) {
                String id = record.id().replace("-again", "");
                assertTrue(split.holdout().byId(id) != null && split.holdout().byId(id + "-again") != null, id);
            }
        }
    }

    @Test
    void copiesThatLeaveNothingToLearnAreRefused() throws Exception {
        Path file = Files.writeString(folder.resolve("same.jsonl"), "{\"text\":\"one and the same\"}\n".repeat(4));
        assertEquals(file + ": a holdout fraction of 0.25 of 4 records leaves nothing to train on, for 3 are copies of those drawn;"
                + " name other records in a file of their own", assertThrows(BadInputException.class, () -> Holdout.of(
                        Dataset.read(file), TrainConfig.builder().holdoutFraction(0.25).build())).getMessage());
    }

    @Test
    void aFileOfHeldOutRecordsHasNoCopies() throws Exception {
        Dataset data = new TinyData(folder, 12).data;
        Path file = Files.writeString(folder.resolve("held-out.jsonl"), "{\"text\":\"person99 is new here\"}\n"
                + "{\"text\":\"Person7  makes violins in  BRENN\"}\n{\"text\":\"person3 knows person4 and likes maps too\"}\n");
        assertEquals(file + ": held-out records must not be in the training data, but 2 equal or nearly equal one there: held-out-2 is"
                + " a copy of person7-work, held-out-3 is a copy of person3-friend; take them out of one of the two files",
                assertThrows(BadInputException.class,
                        () -> Holdout.of(data, TrainConfig.builder().holdoutData(file).build())).getMessage());
    }
}
