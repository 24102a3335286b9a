/* Lays a training's plan out: which of its records are late, by a file that names them, which are left out, what is kept. */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.run.RunInfo;
import dev.lethe.run.TrainOrder;
import dev.lethe.settings.TrainConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

final class Late {
    /** Names that a message shows. */
    private static final int SHOWN = 5;

    private Late() { }

    /**
     * The plan of a training.
     *
     * @param masked ids of records to learn that are left out
     * @throws BadInputException when the late file cannot be read or names whom the data does not know, or nothing is left to learn
     */
    static RunInfo.Plan plan(Holdout split, TrainConfig config, Set<String> masked) {
        List<TextRecord> records = split.train().records();
        Set<String> late = config.late() == null ? Collections.emptySet() : names(config.late(), split);
        List<Integer> lateAt = places(records, record -> late.contains(record.id()) || late.contains(record.subject())); // may be null
        if (config.late() != null && (lateAt.isEmpty() || lateAt.size() == records.size())) {
            throw new BadInputException(config.late() + ": names " + (lateAt.isEmpty() ? "none" : "all") + " of the " + records.size()
                    + " records to learn; name those that may have to be erased, and leave others to be learned before them");
        }
        List<Integer> maskedAt = places(records, record -> masked.contains(record.id()));
        if (maskedAt.size() < masked.size() || maskedAt.size() == records.size()) {
            throw new BadInputException(maskedAt.size() < masked.size()
                    ? masked.size() - maskedAt.size() + " of the records to leave out are not among those to learn"
                    : "all records are to be left out: nothing would be learned");
        }
        RunInfo.Plan plan = new RunInfo.Plan(records.size(), lateAt, maskedAt, List.of());
        return plan.withKept(new TrainOrder(config, plan).keeps());
    }

    private static List<Integer> places(List<TextRecord> records, Predicate<TextRecord> which) {
        return IntStream.range(0, records.size()).filter(place -> which.test(records.get(place))).boxed().toList();
    }

    private static Set<String> names(Path file, Holdout split) {
        Set<String> names = Io.input(file + ": the late records cannot be read", () -> Files.readAllLines(file)).stream()
                .map(String::strip).filter(line -> !line.isEmpty()).collect(Collectors.toCollection(LinkedHashSet::new));
        List<String> unknown = names.stream().filter(name -> !knows(split.train(), name) && !knows(split.holdout(), name)).toList();
        if (!unknown.isEmpty()) {
            throw new BadInputException(file + ": names " + unknown.size() + " subjects or ids that " + split.train().path()
                    + " does not have: " + String.join(", ", unknown.subList(0, Math.min(SHOWN, unknown.size())))
                    + (unknown.size() > SHOWN ? ", ..." : "") + "; write them as the data does, one a line");
        }
        return names;
    }

    private static boolean knows(Dataset data, String name) {
        return data.byId(name) != null || data.subjects().contains(name);
    }
}
