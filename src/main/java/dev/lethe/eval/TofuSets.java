package dev.lethe.eval;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.data.Dataset;
import dev.lethe.data.PerturbedDataset;
import dev.lethe.data.PerturbedDataset.PerturbedRecord;
import dev.lethe.metric.TruthRatio;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The sets of TOFU's evaluation that are at hand; null where one is not. */
public record TofuSets(PerturbedDataset forget, PerturbedDataset retain, PerturbedDataset realAuthors,
                       PerturbedDataset worldFacts) {
    public boolean isEmpty() {
        return forget == null && retain == null && realAuthors == null && worldFacts == null;
    }

    /**
     * TOFU's files in one folder, as JSON Lines that {@link PerturbedDataset} reads, under the names of its configurations:
     * {@code SPLIT.jsonl} or {@code SPLIT_perturbed.jsonl}, {@code retain_perturbed.jsonl}, {@code real_authors_perturbed.jsonl},
     * {@code world_facts_perturbed.jsonl}, {@code holdoutNN.jsonl}. Only what is forgotten must be there.
     */
    public static final class TofuFolder {
        private static final String PERTURBED = "_perturbed.jsonl";
        private static final String RETAIN = "retain" + PERTURBED;

        private final Path folder;

        /** @throws BadInputException when it is no folder */
        public TofuFolder(Path folder) {
            if (!Files.isDirectory(folder)) {
                throw new BadInputException(folder + ": no such folder; give one with TOFU's files, such as " + RETAIN);
            }
            this.folder = folder;
        }

        /** The records of a split, such as {@code forget10}. */
        public Dataset split(String name) {
            for (String ending : List.of(".jsonl", PERTURBED)) {
                if (Files.isRegularFile(folder.resolve(name + ending))) {
                    return Dataset.read(folder.resolve(name + ending));
                }
            }
            throw new BadInputException(folder + ": has neither " + name + ".jsonl nor " + name + PERTURBED);
        }

        /** The split's records that no model learns, {@code holdout10} for {@code forget10}; null where it is not there. */
        public Dataset holdout(String split) {
            Path file = folder.resolve(split.replace("forget", "holdout") + ".jsonl");
            return split.startsWith("forget") && Files.isRegularFile(file) ? Dataset.read(file) : null;
        }

        /**
         * The sets with {@code forget} as what is forgotten: its questions are looked up, by prompt and answer, in
         * {@code forget*_perturbed.jsonl} and {@code retain_perturbed.jsonl}; the retain set is the latter without them. Those
         * that have no wrong answers here are left out.
         *
         * @throws BadInputException when none of them has, or a file is not as it must be
         */
        public TofuSets sets(Dataset forget) {
            Map<String, PerturbedRecord> learned = new HashMap<>();
            learned().forEach(data -> data.records().forEach(record -> learned.putIfAbsent(record.record().text(), record)));
            List<PerturbedRecord> forgotten = forget.records().stream().map(record -> learned.get(record.text()))
                    .filter(record -> record != null).toList();
            if (forgotten.isEmpty()) {
                throw new BadInputException(forget.path() + ": none of its " + forget.size() + " records has a paraphrase and wrong"
                        + " answers in the forget*" + PERTURBED + " and " + RETAIN + " of " + folder);
            }
            return new TofuSets(new PerturbedDataset(forget.path(), forgotten), retain(forget),
                    read("real_authors" + PERTURBED, false), read("world_facts" + PERTURBED, false));
        }

        private PerturbedDataset retain(Dataset forget) {
            PerturbedDataset all = read(RETAIN, true);
            if (all == null) {
                return null;
            }
            Set<String> forgotten = new HashSet<>();
            forget.records().forEach(record -> forgotten.add(record.text()));
            List<PerturbedRecord> kept = all.records().stream()
                    .filter(record -> !forgotten.contains(record.record().text())).toList();
            return kept.isEmpty() ? null : new PerturbedDataset(all.path(), kept);
        }

        private List<PerturbedDataset> learned() {
            return Io.input(folder + ": cannot be listed", () -> Io.list(folder)).stream().map(file -> file.getFileName().toString())
                    .filter(name -> name.equals(RETAIN) || name.startsWith("forget") && name.endsWith(PERTURBED))
                    .map(name -> read(name, true)).toList();
        }

        private PerturbedDataset read(String name, boolean paraphrase) {
            Path file = folder.resolve(name);
            return Files.isRegularFile(file) ? PerturbedDataset.read(file, paraphrase) : null;
        }
    }

    /** The four sets of TOFU's evaluation, and what differs between them. */
    public enum TofuSet {
        /** Records to be forgotten: the truth ratio is best at 1. */
        FORGET("forget", true, TruthRatio.Aggregation.CLOSER_TO_ONE),
        /** Learned records that should stay. */
        RETAIN("retain", true, TruthRatio.Aggregation.TRUE_BETTER),
        /** Questions on real authors, with wrong answers to choose from. */
        REAL_AUTHORS("real_authors", false, TruthRatio.Aggregation.TRUE_BETTER),
        /** Questions on the world, with wrong answers to choose from. */
        WORLD_FACTS("world_facts", false, TruthRatio.Aggregation.TRUE_BETTER);

        private final String label;
        private final boolean learned;
        private final TruthRatio.Aggregation aggregation;

        TofuSet(String label, boolean learned, TruthRatio.Aggregation aggregation) {
            this.label = label;
            this.learned = learned;
            this.aggregation = aggregation;
        }

        /** Name in results. */
        public String label() {
            return label;
        }

        /**
         * Whether the model was trained on the set: then the truth ratio's right answer is a paraphrase, which every record
         * must have; else it is the answer itself, and its probability is that among the options.
         */
        public boolean learned() {
            return learned;
        }

        @Override
        public String toString() {
            return label;
        }

        /** How the truth ratios become one number. */
        public TruthRatio.Aggregation aggregation() {
            return aggregation;
        }
    }
}
