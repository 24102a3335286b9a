package dev.lethe.eval;

import dev.lethe.data.PerturbedDataset;
import java.nio.file.Path;

/** The sets of TOFU's evaluation that are at hand; null where one is not. */
public record TofuSets(PerturbedDataset forget, PerturbedDataset retain, PerturbedDataset realAuthors,
                       PerturbedDataset worldFacts) {
    /**
     * Reads the files that are not null.
     *
     * @throws dev.lethe.BadInputException naming file, line and field
     */
    public static TofuSets read(Path forget, Path retain, Path realAuthors, Path worldFacts) {
        return new TofuSets(read(TofuSet.FORGET, forget), read(TofuSet.RETAIN, retain),
                read(TofuSet.REAL_AUTHORS, realAuthors), read(TofuSet.WORLD_FACTS, worldFacts));
    }

    private static PerturbedDataset read(TofuSet set, Path file) {
        return file == null ? null : PerturbedDataset.read(file, set.learned());
    }

    /** Only the forget set: all that a retrained model needs to be a reference. */
    public TofuSets forgetOnly() {
        return new TofuSets(forget, null, null, null);
    }

    public boolean isEmpty() {
        return forget == null && retain == null && realAuthors == null && worldFacts == null;
    }
}
