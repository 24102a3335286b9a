package dev.lethe.page;

import dev.lethe.spec.Cell;
import dev.lethe.spec.CellResult;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Results put together by variant: seeds are joined, names made distinct, references first. Of two results of one cell
 * and seed the later one counts.
 *
 * @param variants the retrained models, the originals, then the others as they came
 */
public record Study(List<Variant> variants) {
    /** From this many fixed rates and steps of one way to ascend on, they are a grid. */
    private static final int LEAST_GRID = 4;

    public static Study of(List<CellResult> results) {
        Map<Cell, Map<Long, CellResult>> byCell = new LinkedHashMap<>();
        for (CellResult result : results) {
            byCell.computeIfAbsent(with(result.cell(), 0), cell -> new TreeMap<>()).put(result.cell().seed(), result);
        }
        Map<String, List<Cell>> byName = new LinkedHashMap<>();
        byCell.forEach((cell, seeds) -> byName.computeIfAbsent(cell.forget() + "\n" + name(seeds),
                key -> new ArrayList<>()).add(cell));
        List<Variant> variants = new ArrayList<>();
        byCell.forEach((cell, seeds) -> {
            List<Cell> sameName = byName.get(cell.forget() + "\n" + name(seeds));
            String more = sameName.size() == 1 ? "" : differing(cell, sameName);
            variants.add(new Variant(cell, name(seeds) + (more.isEmpty() ? "" : " · " + more),
                    List.copyOf(seeds.values())));
        });
        variants.sort(Comparator.comparing(variant -> variant.isRetrained() ? 0 : variant.isOriginal() ? 1 : variant.isBase() ? 2 : 3));
        return new Study(List.copyOf(variants));
    }

    private static String name(Map<Long, CellResult> seeds) {
        return seeds.values().iterator().next().variant();
    }

    static Cell with(Cell cell, long seed) {
        return new Cell(seed, cell.head(), cell.forget(), cell.strategy(), cell.sites(), cell.epochs(), cell.matching(),
                cell.calibration(), cell.contrast(), cell.repair(), cell.options());
    }

    /** A cell's choices by name, in the order of reading. */
    static Map<String, String> choices(Cell cell) {
        Map<String, String> choices = new LinkedHashMap<>();
        choices.put("strategy", cell.strategy());
        choices.put("sites", cell.sites());
        choices.put("epochs", cell.epochs().isEmpty() ? "" : "epochs " + cell.epochs());
        choices.put("matching", cell.matching());
        choices.put("calibration", cell.calibration());
        choices.put("contrast", "contrast " + cell.contrast());
        choices.put("repair", "repair " + cell.repair());
        choices.put("head", cell.head());
        choices.put("options", cell.options()); // last: labels are cut where they are too long
        return choices;
    }

    /** Those of the cell's choices in which some of the others differ from one another. */
    static String differing(Cell cell, List<Cell> others, String... without) {
        return choices(cell).entrySet().stream().filter(choice -> !Arrays.asList(without).contains(choice.getKey()))
                .filter(choice -> others.stream().map(other -> choices(other).get(choice.getKey())).distinct()
                .count() > 1).map(Map.Entry::getValue).filter(text -> !text.isEmpty())
                .collect(Collectors.joining(" · "));
    }

    /** Names of the forget sets, as they came. */
    List<String> forgetSets() {
        return variants.stream().map(variant -> variant.cell().forget()).distinct().toList();
    }

    Study about(String forget) {
        return new Study(variants.stream().filter(variant -> variant.cell().forget().equals(forget)).toList());
    }

    /** Without grids of fixed rates, which have figures of their own, unless there is nothing else. */
    Study withoutFixedRates() {
        Map<Cell, Long> grids = variants.stream().filter(GridFigures::isFixed)
                .collect(Collectors.groupingBy(variant -> GridFigures.grid(variant.cell()), Collectors.counting()));
        List<Variant> others = variants.stream().filter(variant ->
                grids.getOrDefault(GridFigures.grid(variant.cell()), 0L) < LEAST_GRID).toList();
        return others.stream().allMatch(Variant::isReference) ? this : new Study(others);
    }

    List<Variant> erased() {
        return variants.stream().filter(variant -> !variant.isReference()).toList();
    }

    List<Long> seeds() {
        return variants.stream().flatMap(variant -> variant.results().stream()).map(result -> result.cell().seed())
                .distinct().sorted().toList();
    }

    /** The model that never learned what this one forgot, with the same head. */
    Optional<Variant> retrained(Variant variant) {
        return reference(variant, Variant::isRetrained);
    }

    /** The model that this one was made from. */
    Optional<Variant> original(Variant variant) {
        return reference(variant, Variant::isOriginal);
    }

    private Optional<Variant> reference(Variant variant, Function<Variant, Boolean> kind) {
        return variants.stream().filter(kind::apply).filter(other -> other.cell().forget()
                .equals(variant.cell().forget()) && other.cell().head().equals(variant.cell().head())).findFirst();
    }
}
