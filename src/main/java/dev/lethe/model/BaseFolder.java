package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Problems;
import dev.lethe.base.Reason;
import dev.lethe.engine.Base;
import dev.lethe.engine.ModelLayout;
import dev.lethe.model.WeightFiles.Weight;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The model folder that an adapter is on: where it lies, and its weights as the engine maps them. */
final class BaseFolder {
    /** What was read through once and has not changed since, to its hash: files with their sizes and times. */
    private static final Map<List<?>, String> CHECKED = new ConcurrentHashMap<>();
    private static volatile Path given;

    private BaseFolder() {
    }

    /** @param folder in place of where anybody says that a base lies; null: there */
    static void give(Path folder) {
        given = folder;
    }

    /** Where it is to be looked for that was said to lie here. */
    static Path or(Path said) {
        return given != null ? given : said;
    }

    /**
     * The folder of the model that an adapter is on.
     *
     * @throws BadInputException when there is none, saying what the adapter calls it
     */
    static Path of(Path adapter) {
        String name = AdapterConfig.read(adapter).base();
        Path folder = given != null ? given : name == null ? null : named(adapter, name);
        if (folder == null || !Checkpoint.isCheckpoint(folder)) {
            throw new BadInputException(adapter + ": " + (folder != null && folder == given ? "its base is not in " + given
                    : name == null ? AdapterConfig.FILE + " does not name its base"
                    : "its base \"" + name + "\" is no model folder here") + "; say where it lies");
        }
        if (AdapterFolder.isIn(folder)) {
            throw new BadInputException(adapter + ": its base " + folder + " is an adapter itself; make one model of that first:"
                    + " lethe merge");
        }
        return folder;
    }

    private static Path named(Path adapter, String name) {
        try {
            Path path = Path.of(name);
            return Checkpoint.isCheckpoint(path) ? path : adapter.resolve(path).normalize();
        } catch (InvalidPathException e) {
            return null;
        }
    }

    /**
     * Its weights, checked whole and finite.
     *
     * @param settings of the base
     * @throws BadInputException with everything that is missing, extra, mis-shaped, not finite or not mapped
     */
    static Base.Files files(Path folder, ModelSettings settings) {
        try (WeightFiles files = WeightFiles.open(folder, settings.type())) {
            List<Object> state = state(folder);
            WeightCheck check = new WeightCheck(folder, settings);
            Map<String, Weight> weights = CHECKED.containsKey(state) ? check.names(files.weights()) : check.check(files.weights());
            Problems problems = new Problems();
            List<Base.Place> places = new ArrayList<>();
            ModelLayout.of(settings.shape()).tensors().forEach(info -> {
                Weight weight = weights.get(info.name());
                Dtype dtype = weight.tensor().dtype().orElseThrow();
                if (dtype == Dtype.F64) {
                    problems.add("tensor " + weight.tensor().name() + " is F64; a base is F32, F16 or BF16");
                }
                places.add(new Base.Place(weight.file().file().path(), weight.tensor().begin(), dtype));
            });
            problems.throwIfAny(folder);
            return new Base.Files(folder.toAbsolutePath().normalize(),
                    CHECKED.computeIfAbsent(state, _ -> Checkpoint.hash(folder)), places);
        } catch (IOException e) {
            throw new BadInputException(folder + ": weights cannot be read: " + Reason.of(e, folder), e);
        }
    }

    private static List<Object> state(Path folder) throws IOException {
        List<Object> state = new ArrayList<>();
        for (Path file : WeightFiles.paths(folder)) {
            state.add(file.toRealPath());
            state.add(Files.size(file));
            state.add(Files.getLastModifiedTime(file));
        }
        state.add(Files.readString(folder.resolve(Checkpoint.CONFIG)));
        return state;
    }
}
