package dev.lethe.spec;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.engine.ModelLayout;
import dev.lethe.model.Checkpoint;
import dev.lethe.settings.ModelSource;
import dev.lethe.spec.Spec.DataFiles;
import dev.lethe.spec.Spec.Metrics;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** What a spec's fields must be to each other, and to what Lethe knows. Problems are added, nothing is thrown. */
public final class SpecCheck {
    private final Spec spec;
    private final List<String> problems;

    private SpecCheck(Spec spec, List<String> problems) {
        this.spec = spec;
        this.problems = problems;
    }

    /** @param files null when data files need not be there */
    static void check(Spec spec, DataFiles files, List<String> problems) {
        SpecCheck check = new SpecCheck(spec, problems);
        check.data();
        check.base(files);
        check.names();
        Cells.of(spec, check.layout(files), problems);
        check.sequential();
        if (files != null) {
            check.files(files);
        }
    }

    private void add(String path, String message) {
        problems.add(path + ": " + message);
    }

    private void data() {
        Spec.Holdout holdout = spec.data().holdout();
        boolean heldOut = spec.data().bundled() != null || holdout != null;
        if (!heldOut) {
            add("$.data.holdout", "is missing: held-out records set the reference and are the strangers of every attack");
        }
        boolean oracles = spec.measure().metrics().contains(Metrics.ORACLES.label());
        if (oracles && spec.oracles() > 0 && spec.oracles() < 2) {
            add("$.oracles", "is " + spec.oracles() + ", KLoM needs at least 2; 0 leaves it out");
        }
    }

    private void base(DataFiles files) {
        Spec.Base base = spec.base();
        if (base == null || spec.model() == null) {
            return;
        }
        if (!isShape(spec.model(), files)) {
            add("$.base", "trains a model of given sizes, and $.model is a folder; name sizes, or leave the base out");
            return;
        }
        if (base.vocabulary() > 0 == (spec.tokenizer() != null)) {
            add("$.base.vocabulary", "is needed, or $.tokenizer, and not both: the tokenizer is made of the text or given");
        }
        try {
            long rows = ((ModelSource.Fresh) ModelSource.parse(spec.model())).shape().vocabulary();
            if (base.vocabulary() > 0 && rows != base.vocabulary()) {
                add("$.model", "has vocab=" + rows + ", and the base's tokenizer has " + base.vocabulary() + "; leave vocab out");
            }
        } catch (BadInputException e) {
            // told as the model's
        }
    }

    private void names() {
        if (spec.forget().isEmpty() && spec.sequential() == null) {
            add("$.forget", "is missing: at least one set of records to forget");
        }
        for (int b = 0; b < spec.cells().size(); b++) {
            Spec.Block block = spec.cells().get(b);
            String path = "$.cells[" + b + "]";
            part(path + ".forget", block.forget(), spec.forget().keySet(), "forget set");
            part(path + ".seeds", block.seeds(), Set.copyOf(spec.seeds()), "seed of the study");
            part(path + ".heads", block.heads(), Set.copyOf(spec.heads()), "head of the study");
        }
    }

    private <T> void part(String path, List<T> named, Set<T> known, String what) {
        for (T name : named == null ? List.<T>of() : named) {
            if (!known.contains(name)) {
                add(path, name + " is no " + what + "; there are " + known);
            }
        }
    }

    /** Null when the model is not there yet or cannot be told. */
    private ModelLayout layout(DataFiles files) {
        if (spec.model() == null) {
            return null;
        }
        try {
            if (isShape(spec.model(), files)) {
                return ModelLayout.of(((ModelSource.Fresh) ModelSource.parse(spec.model())).shape());
            }
            var folder = files == null ? null : files.find(spec.model());
            if (files != null && (folder == null || !Checkpoint.isCheckpoint(folder))) {
                add("$.model", "neither gpt2:.., llama:.. and kin nor a model folder: " + files.missing(spec.model()));
            }
            if (folder != null && Checkpoint.isAdapter(folder)) {
                add("$.model", "is an adapter, and studies train whole models; make one of it first: lethe merge");
                return null;
            }
            return folder == null || !Checkpoint.isCheckpoint(folder) ? null : ModelLayout.of(Checkpoint.config(folder).shape());
        } catch (BadInputException e) {
            add("$.model", Reason.of(e));
            return null;
        }
    }

    /** Whether a model is named by its sizes and not by its folder: a bare "gpt2" is a folder where there is one. */
    public static boolean isShape(String model, DataFiles files) {
        Path folder = files == null || model.contains(":") ? null : files.find(model);
        return ModelSource.isFresh(model) && (folder == null || !Checkpoint.isCheckpoint(folder));
    }

    private void sequential() {
        Spec.Sequential sequential = spec.sequential();
        if (sequential == null) {
            return;
        }
        if (!spec.heads().contains(Spec.Sequential.HEAD)) {
            add("$.heads", "is " + spec.heads() + ", but the sequence is done with " + Spec.Sequential.HEAD);
        }
        part("$.sequential.seeds", sequential.seeds(), Set.copyOf(spec.seeds()), "seed of the study");
        Cells.Config config = Cells.config("$.sequential", sequential.strategy(),
                new Cells.Axes(null, null, null, null, null, null), sequential.erase(), problems);
        if (config != null) {
            config.unused().forEach(problem -> problems.add("$.sequential.erase." + problem));
            if (config.keep() != null) {
                add("$.sequential.erase.keep", "is of cells only; no text is kept through a sequence");
            }
            Cells.stored("$.sequential", spec, config.erase(), problems);
        }
    }

    private void files(DataFiles files) {
        List<String[]> named = new ArrayList<>();
        named.add(new String[] {"$.data.file", spec.data().file()});
        if (spec.data().holdout() != null) {
            named.add(new String[] {"$.data.holdout.file", spec.data().holdout().file()});
        }
        if (spec.data().tofu() != null) {
            spec.data().tofu().records().forEach(path -> named.add(new String[] {"$.data.tofu.records", path}));
            named.add(new String[] {"$.data.tofu.real_authors", spec.data().tofu().realAuthors()});
            named.add(new String[] {"$.data.tofu.world_facts", spec.data().tofu().worldFacts()});
        }
        named.add(new String[] {"$.tokenizer", spec.tokenizer()});
        if (spec.base() != null) {
            named.add(new String[] {"$.base.data", spec.base().data()});
            named.add(new String[] {"$.base.holdout", spec.base().holdout()});
        }
        named.add(new String[] {"$.training.late", spec.training().late()});
        if (spec.training().model() != null) {
            spec.seeds().forEach(seed -> named.add(new String[] {"$.training.model", spec.training().model(seed)}));
        }
        for (String[] one : named) {
            if (one[1] != null && files.find(one[1]) == null) {
                add(one[0], files.missing(one[1]));
            }
        }
    }
}
