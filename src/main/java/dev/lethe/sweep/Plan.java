package dev.lethe.sweep;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Sha256;
import dev.lethe.engine.ModelLayout;
import dev.lethe.run.RunJson;
import dev.lethe.spec.Cell;
import dev.lethe.spec.Cell.Adoption;
import dev.lethe.spec.Cells;
import dev.lethe.spec.Cells.Draft;
import dev.lethe.spec.Spec;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The cells of a study in the order in which they are done, each with its id: seed by seed, the references of a seed
 * before what is compared with them.
 *
 * @param entries every cell, in order
 * @param captures by head: what the original models must leave in their ledgers
 */
record Plan(List<Entry> entries, Map<String, Captures> captures) {

    /** @param id SHA-256 prefix over the cell, its options, the training's settings, the data and what is measured */
    record Entry(String id, Draft draft) {
        Cell cell() {
            return draft.cell();
        }

        boolean isReference() {
            return draft.config() == null;
        }
    }

    static Plan of(Spec spec, StudyData data, Trainings trainings) {
        List<Draft> drafts = new ArrayList<>(Cells.of(spec, ModelLayout.of(trainings.shape("tied")), new ArrayList<>()));
        drafts.sort(Comparator.comparingInt((Draft draft) -> spec.seeds().indexOf(draft.cell().seed()))
                .thenComparingInt(draft -> spec.heads().indexOf(draft.cell().head()))
                .thenComparing(draft -> draft.config() != null));
        Map<String, Captures> captures = new LinkedHashMap<>();
        for (String head : spec.heads()) {
            Captures counted = new Captures(trainings.shape(head));
            drafts.stream().filter(draft -> draft.cell().head().equals(head) && Adoption.of(draft.cell().epochs()) == null)
                    .forEach(draft -> counted.count(draft.config()));
            if (spec.sequential() != null && head.equals(Spec.Sequential.HEAD)) {
                counted.count(Sequence.config(spec, 0));
            }
            captures.put(head, counted);
        }
        String hash = data.hash();
        Map<List<Object>, Object> identities = new HashMap<>(); // by head and seed: takes a base's whole text
        List<Entry> entries = drafts.stream().map(draft -> new Entry(ContentId.id("cell", draft.cell(),
                draft.config() == null ? "" : draft.config(), draft.keep() == null ? draft.toRetrained()
                        : List.of(draft.toRetrained(), draft.keep()),
                identities.computeIfAbsent(List.of(draft.cell().head(), draft.cell().seed()),
                        _ -> trainings.identity(draft.cell().head(), draft.cell().seed())), hash,
                data.forget().get(draft.cell().forget()), spec.relearn(), spec.measure()), draft)).toList();
        return new Plan(entries, captures);
    }

    /**
     * The part of it that was asked for; references of what is left stay.
     *
     * @param only  a glob over VARIANT or FORGET/VARIANT, or null
     * @param seeds or null
     */
    Plan part(String only, Set<Long> seeds) {
        List<Entry> chosen = entries.stream().filter(entry -> seeds == null || seeds.contains(entry.cell().seed())).toList();
        if (only == null) {
            return new Plan(chosen, captures);
        }
        PathMatcher glob = FileSystems.getDefault().getPathMatcher("glob:" + only);
        List<Entry> named = chosen.stream().filter(entry -> glob.matches(Path.of(entry.draft().variant()))
                || glob.matches(Path.of(entry.cell().forget(), entry.draft().variant()))).toList();
        if (named.isEmpty()) {
            throw new BadInputException("only " + only + ": no cell is named so; there are "
                    + String.join(", ", entries.stream().map(entry -> entry.draft().variant()).distinct().toList()), List.of("only"), null);
        }
        return new Plan(chosen.stream().filter(entry -> named.contains(entry) || entry.isReference()
                && named.stream().anyMatch(other -> other.cell().forget().equals(entry.cell().forget())
                        && other.cell().seed() == entry.cell().seed() && other.cell().head().equals(entry.cell().head())))
                .toList(), captures);
    }

    /** The names of contents. */
    static final class ContentId {
        private static final int ID_BYTES = 8;

        private ContentId() { }

        /** SHA-256, lower-case hex, of the values' JSON. */
        static String of(Object... values) {
            return Sha256.hex(Sha256.of(RunJson.line(List.of(values)).getBytes(StandardCharsets.UTF_8)));
        }

        /** The first 16 digits of {@link #of}: the name of a cell or a run. */
        static String id(Object... values) {
            return of(values).substring(0, 2 * ID_BYTES);
        }
    }
}
