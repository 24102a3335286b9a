package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.data.Dataset;
import dev.lethe.engine.BadInputException;
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
        Holdout split = Holdout.of(data, TrainConfig.builder().build());
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
}
