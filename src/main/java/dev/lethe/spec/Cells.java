package dev.lethe.spec;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.base.Settings;
import dev.lethe.engine.ModelLayout;
import dev.lethe.settings.Epochs;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Keep;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.SiteSelector;
import dev.lethe.spec.Cell.Adoption;
import dev.lethe.spec.Spec.Block;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The cells a spec's blocks stand for: every block a cross product of its axes over seeds, heads and forget sets, and for
 * each of those the trained model as it is ({@code original}) and the one trained without ({@code retrain}).
 */
public final class Cells {
    public static final String ORIGINAL = "original";
    /** The model before it learned any record, of a study that has one. */
    public static final String BASE = "base";
    public static final String RETRAIN = Strategy.RETRAIN.label();
    /** An erasure whose forget loss is raised to the retrained model's, in the option {@code reference}. */
    static final String RETRAINED = "retrained";

    /**
     * @param config  how to erase, null for original and retrain
     * @param toRetrained whether the reference is the retrained model's loss
     * @param keep        text of the base that is to be kept, or null
     */
    public record Draft(Cell cell, String variant, EraseConfig config, boolean toRetrained, Keeping keep) { }

    /** So many records of the base's text, and how far their loss may rise. */
    public record Keeping(int records, double guard) { }

    /** One value of each axis; null = the strategy's own. */
    public record Axes(String sites, String epochs, String matching, String calibration, String contrast, Integer repair) { }

    /** An erasure's configuration, whether the retrained model is its reference, what of the base's text it keeps, what is set in vain. */
    public record Config(EraseConfig erase, boolean toRetrained, Keeping keep, List<String> unused) { }

    private Cells() { }

    /**
     * Every cell, references first, each once.
     *
     * @param layout   of the model, to know its sites; null when that is not known
     * @param problems is told what is wrong, with the block's path
     */
    public static List<Draft> of(Spec spec, ModelLayout layout, List<String> problems) {
        Map<List<Object>, Draft> drafts = new LinkedHashMap<>();
        Map<List<Object>, String> named = new LinkedHashMap<>();
        for (long seed : spec.seeds()) {
            for (String head : spec.heads()) {
                for (String forget : spec.forget().keySet()) {
                    for (String reference : spec.base() == null ? List.of(ORIGINAL, RETRAIN) : List.of(BASE, ORIGINAL, RETRAIN)) {
                        Cell cell = new Cell(seed, head, forget, reference, "", "", "", "", "", 0, "");
                        drafts.put(List.of(cell, ""), new Draft(cell, named(reference, head, spec), null, false, null));
                    }
                }
            }
        }
        for (int b = 0; b < spec.cells().size(); b++) {
            Block block = spec.cells().get(b);
            String path = "$.cells[" + b + "]";
            List<String> found = new ArrayList<>(); // of many cells the same
            List<Set<String>> unused = new ArrayList<>();
            List<Draft> cells = block(spec, block, path, layout, found, unused);
            unused.stream().reduce((some, others) -> some.stream().filter(others::contains).collect(Collectors.toSet())) // by no cell
                    .stream().flatMap(Set::stream).sorted().forEach(problem -> found.add(path + ".erase." + problem));
            found.stream().distinct().forEach(problems::add);
            for (Draft draft : cells) {
                List<Object> name = List.of(draft.variant, draft.cell.seed(), draft.cell.forget());
                String twin = named.putIfAbsent(name, path);
                boolean same = drafts.containsValue(draft);
                if (twin != null && !same) {
                    problems.add(path + ": its variant \"" + draft.variant + "\" is that of another cell in " + twin
                            + "; give the block a name of its own");
                }
                drafts.putIfAbsent(List.of(draft.cell, draft.variant), draft);
            }
        }
        return List.copyOf(drafts.values());
    }

    private static List<Draft> block(Spec spec, Block block, String path, ModelLayout layout, List<String> problems,
                                     List<Set<String>> unused) {
        List<Draft> drafts = new ArrayList<>();
        for (String strategy : block.strategy()) {
            if (strategy.equals(ORIGINAL) || strategy.equals(RETRAIN) || spec.base() != null && strategy.equals(BASE)) {
                continue; // always there
            }
            for (Axes axes : cross(block)) {
                for (Map<String, Object> options : each(block.erase())) {
                    Config config = config(path, strategy, axes, options, problems);
                    if (config == null) {
                        continue;
                    }
                    unused.add(Set.copyOf(config.unused));
                    if (config.erase.strategy() == Strategy.ALTPO && spec.data().tofu() == null) {
                        problems.add(path + ".strategy: altpo needs wrong answers to the records, in $.data.tofu.records");
                    }
                    sites(path, config.erase.sites(), layout, problems);
                    stored(path, spec, config.erase, problems);
                    if (config.keep != null && spec.base() == null) {
                        problems.add(path + ".erase.keep: is text of the base, which the study has none of");
                    }
                    for (long seed : or(block.seeds(), spec.seeds())) {
                        for (String head : or(block.heads(), spec.heads())) {
                            for (String forget : or(block.forget(), List.copyOf(spec.forget().keySet()))) {
                                drafts.add(new Draft(cell(seed, head, forget, axes, options, config.erase),
                                        named(variant(block, strategy, axes, options), head, spec),
                                        config.erase.toBuilder().seed(seed).build(), config.toRetrained, config.keep));
                            }
                        }
                    }
                }
            }
        }
        return drafts;
    }

    /** The cross product of the options that are lists, each with the others. */
    private static List<Map<String, Object>> each(Map<String, Object> options) {
        List<Map<String, Object>> all = List.of(Map.of());
        for (Map.Entry<String, Object> option : options.entrySet()) {
            List<?> values = option.getValue() instanceof List<?> list ? list : List.of(option.getValue());
            all = all.stream().flatMap(one -> values.stream().map(value -> {
                Map<String, Object> more = new LinkedHashMap<>(one);
                more.put(option.getKey(), value);
                return more;
            })).toList();
        }
        return all;
    }

    private static Cell cell(long seed, String head, String forget, Axes axes, Map<String, Object> options, EraseConfig config) {
        return new Cell(seed, head, forget, config.strategy().label(), config.sites(),
                !config.strategy().usesLedger() ? "" : Adoption.of(axes.epochs) != null ? axes.epochs
                        : config.storedEpochs().toString(),
                axes.matching == null ? "ids" : axes.matching,
                config.fixed() == null ? "calibrated" : "fixed:" + config.fixed(), config.contrast().toString(),
                config.repair(), text(options));
    }

    /** As {@link Cell#options()} has them. */
    public static String text(Map<String, Object> options) {
        return options.entrySet().stream().map(option -> option.getKey() + "=" + option.getValue())
                .collect(Collectors.joining(","));
    }

    /** What the block is called, or the strategy, and behind it each axis on which cells of the block differ. */
    private static String variant(Block block, String strategy, Axes axes, Map<String, Object> options) {
        StringBuilder name = new StringBuilder(block.name() == null ? strategy
                : block.strategy().size() > 1 ? block.name() + " " + strategy : block.name());
        boolean all = block.name() == null;
        add(name, "", axes.sites, block.sites(), all);
        add(name, "epoch ", axes.epochs, block.epochs(), all);
        add(name, "", axes.matching, block.matching(), all);
        add(name, "", axes.calibration, block.calibration(), all);
        add(name, "contrast ", axes.contrast, block.contrast(), all);
        add(name, "repair ", axes.repair == null ? null : axes.repair.toString(), block.repair(), all);
        options.forEach((option, value) -> {
            if (block.erase().get(option) instanceof List<?> values && values.size() > 1) {
                name.append(' ').append(option).append(' ').append(value);
            }
        });
        return name.toString();
    }

    private static void add(StringBuilder name, String prefix, String value, List<?> axis, boolean all) {
        if (value != null && (all || axis.size() > 1)) {
            name.append(' ').append(prefix).append(value);
        }
    }

    private static String named(String variant, String head, Spec spec) {
        return head.equals("untied") && spec.heads().size() > 1 ? variant + " (untied)" : variant;
    }

    private static List<Axes> cross(Block block) {
        List<Axes> all = new ArrayList<>();
        for (String sites : axis(block.sites())) {
            for (String epochs : axis(block.epochs())) {
                for (String matching : axis(block.matching())) {
                    for (String calibration : axis(block.calibration())) {
                        for (String contrast : axis(block.contrast())) {
                            for (Integer repair : axis(block.repair())) {
                                all.add(new Axes(sites, epochs, matching, calibration, contrast, repair));
                            }
                        }
                    }
                }
            }
        }
        return all;
    }

    private static <T> List<T> axis(List<T> values) {
        return values == null ? Collections.singletonList(null) : values;
    }

    private static <T> List<T> or(List<T> some, List<T> all) {
        return some == null ? all : some;
    }

    /** Null when something is wrong, which {@code problems} is told. */
    public static Config config(String path, String strategy, Axes axes, Map<String, Object> options, List<String> problems) {
        int before = problems.size();
        Map<String, String> given = new LinkedHashMap<>();
        given.put("strategy", strategy);
        options.forEach((name, value) -> given.put(name, value.toString()));
        EraseSettings erase = parse(path + ".strategy", () -> new EraseSettings(given), problems);
        if (erase == null) {
            return null;
        }
        Settings settings = new Settings();
        erase.into(settings);
        Map<String, String> axis = new LinkedHashMap<>();
        axis.put("fixed", parse(path + ".calibration", () -> fixed(axes.calibration), problems));
        axis.put("iterative", parse(path + ".matching", () -> iterative(axes.matching), problems));
        axis.put("sites", axes.sites);
        axis.put("epochs", parse(path + ".epochs", () -> axes.epochs != null && Adoption.of(axes.epochs) != null ? "last" : axes.epochs,
                problems));
        axis.put("contrast", axes.contrast);
        axis.put("repair", axes.repair == null ? null : axes.repair.toString());
        axis.forEach((name, value) -> parse(path + "." + name, () -> set(settings, name, value), problems));
        settings.only(known(settings));
        options.forEach((name, value) -> parse(path + ".erase." + name, () -> set(settings, name, value), problems));
        axis.values().removeIf(Objects::isNull);
        List<String> all = Stream.concat(options.keySet().stream(), axis.keySet().stream()).toList();
        Keeping keep = keep(options);
        String sites = axes.sites != null ? axes.sites : EraseConfig.usualSites(Strategy.parse(strategy));
        Config config = parse(path, () -> new Config(erase.config().toBuilder().sites(sites).relearnSteps(0).keepEntries(true)
                .ignoreGuards(true).build(), RETRAINED.equals(options.get("reference")), keep, erase.unused(all)), problems);
        return problems.size() > before ? null : config;
    }

    /** Whose values are axes, or the study's own to say. */
    private static final List<String> OTHERS = List.of("strategy", "sites", "epochs", "fixed", "iterative", "contrast", "repair",
            "seed", "relearn_steps", "ignore_guards", "keep_entries", "copies", "alternates", "factors");

    private static String[] known(Settings settings) {
        return settings.list().stream().map(Settings.Setting::name).filter(name -> !OTHERS.contains(name)).toArray(String[]::new);
    }

    private static Settings set(Settings settings, String name, Object value) {
        if (value != null && !RETRAINED.equals(value) && !name.equals("keep") && !name.equals("keep_guard")) { // the study does those
            settings.set(name, value.toString());
        }
        return settings;
    }

    /** Null when nothing is asked to be kept. */
    private static Keeping keep(Map<String, Object> options) {
        return options.get("keep") instanceof Number records ? new Keeping(records.intValue(),
                ((Number) options.getOrDefault("keep_guard", Keep.GUARD)).doubleValue()) : null;
    }

    private static String fixed(String calibration) {
        if (calibration == null || calibration.equals("calibrated")) {
            return null;
        }
        if (!calibration.startsWith("fixed:")) {
            throw new IllegalArgumentException("unknown calibration '" + calibration
                    + "'; write calibrated or fixed:RATExSTEPS, for example fixed:0.5x20");
        }
        return calibration.substring("fixed:".length());
    }

    private static String iterative(String matching) {
        if (matching == null || matching.equals("ids") || matching.matches("fuzzy:([0-9]{1,2}|100)")) {
            return null;
        }
        if (matching.equals("iterative")) {
            return "0.05x20";
        }
        if (matching.startsWith("iterative:")) {
            return matching.substring("iterative:".length());
        }
        throw new IllegalArgumentException("unknown matching '" + matching
                + "'; write ids, fuzzy:0 to fuzzy:100, iterative or iterative:SHARExROUNDS");
    }

    /** What was trained elsewhere has gradients at its final weights only, and no plan. */
    static void stored(String path, Spec spec, EraseConfig config, List<String> problems) {
        if (spec.training().model() != null && config.strategy() == Strategy.REPLAY) {
            problems.add(path + ".strategy: replay repeats a training, and $.training.model's is not known; name another strategy");
        }
        if (spec.training().model() != null && config.strategy().usesLedger() && !config.storedEpochs().equals(Epochs.LAST)) {
            problems.add(path + ".epochs: is " + config.storedEpochs() + " by strategy " + config.strategy().label()
                    + ", but nothing was captured of $.training.model's epochs; name another strategy");
        }
    }

    /** Without a layout only the selector's form counts. */
    private static void sites(String path, String sites, ModelLayout layout, List<String> problems) {
        parse(path + ".sites", () -> layout == null ? SiteSelector.parse(sites) : layout.sites(sites), problems);
    }

    private interface Reading<T> {
        T read();
    }

    private static <T> T parse(String path, Reading<T> reading, List<String> problems) {
        try {
            return reading.read();
        } catch (IllegalArgumentException | BadInputException e) {
            problems.add(path + ": " + Reason.of(e));
            return null;
        }
    }
}
