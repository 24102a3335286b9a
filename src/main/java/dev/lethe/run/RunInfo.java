/*
 * What lethe.json says: by what version and from what a run was made, how far it is, and what it descends from. Holds no
 * time and no host, so that the same training writes the same bytes.
 */
package dev.lethe.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.base.DamagedDataException;
import dev.lethe.data.DataForm;
import dev.lethe.engine.Engine;
import dev.lethe.settings.Lora;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * A run's description. Immutable, any thread.
 *
 * @param format  version of the run's layout, {@link #FORMAT} for this version
 * @param lethe   version of Lethe that made it
 * @param state   whether its model is there
 * @param source  the weights it began with
 * @param data    the records
 * @param config  how it was trained
 * @param machine on what
 * @param result  what came out, null while training
 * @param lineage the run it was made from by an erasure, null after a training
 * @param kin     all other runs that come from the same training by erasures; null in a file means none
 * @param adopted how a model trained elsewhere was adopted, null for one that Lethe trained; its config then tells of that
 *                training what is known, and {@code source} are the weights that were adopted
 * @param plan    where its records are in the training's order, for a replay; null of an adopted run, and after an erasure of what a
 *                request said in its own words, which a replay would bring back
 */
public record RunInfo(int format, String lethe, State state, Source source, Data data, TrainConfig config,
                      Machine machine, Result result, Lineage lineage, List<Kin> kin, Adopted adopted, Plan plan) {
    /** The layout this version reads and writes. */
    public static final int FORMAT = 1;
    /** This version of Lethe. */
    public static final String VERSION = "0.1.0";

    public RunInfo {
        kin = kin == null ? List.of() : List.copyOf(kin);
    }

    /** TRAINING until the model and the ledger are whole on disk. */
    public enum State { TRAINING, COMPLETE }

    /**
     * @param checkpoint folder of the weights, null for fresh ones
     * @param shape      of the model
     * @param tokenizer  folder with the tokenizer's files, null for GPT-2's own
     * @param modelHash  {@code Trainer.modelHash} before the first step
     * @param base       of adapters, null without
     */
    public record Source(String checkpoint, ModelShape shape, String tokenizer, String modelHash, Base base) {
        public Source(String checkpoint, ModelShape shape, String tokenizer, String modelHash) {
            this(checkpoint, shape, tokenizer, modelHash, null);
        }

        /** The same again, to begin with it once more. */
        public ModelSource again() {
            Path frozen = base == null ? null : Path.of(base.folder());
            if (frozen != null && base.lora() != null) {
                return new ModelSource.Adapted(frozen, Lora.parse(base.lora()));
            }
            return checkpoint != null ? new ModelSource.Pretrained(Path.of(checkpoint), frozen)
                    : new ModelSource.Fresh(shape, tokenizer == null ? null : Path.of(tokenizer));
        }
    }

    /** Whether the model began with random weights, so that it knows nothing but the run's records. */
    public boolean fromNothing() {
        return source.checkpoint() == null && source.base() == null;
    }

    /**
     * The frozen model that a run's adapters are on. Where it lies now says the run's model/adapter_config.json.
     *
     * @param folder where it lay
     * @param sha256 of its weights
     * @param lora   what the adapters began as, {@link dev.lethe.settings.Lora}; null when they were read
     */
    public record Base(String folder, String sha256, String lora) { }

    /**
     * @param path        of the data file
     * @param holdoutPath of the held-out data file, null when there is none
     * @param sha256      over ids, text hashes and splits of all records, in order
     * @param records     learned
     * @param holdout     held out
     * @param truncated   learned records that were cut to the context
     * @param targets     tokens with a loss in one epoch
     * @param form        how the files are read, null in a file for the usual way
     */
    public record Data(String path, String holdoutPath, String sha256, int records, int holdout, int truncated,
                       long targets, @JsonInclude(value = JsonInclude.Include.CUSTOM, valueFilter = Usual.class) DataForm form) {
        public Data {
            form = form == null ? DataForm.DEFAULT : form;
        }

        /** Equals the form that is left out. */
        static final class Usual {
            @Override
            public boolean equals(Object form) {
                return form == null || DataForm.DEFAULT.equals(form);
            }

            @Override
            public int hashCode() {
                return DataForm.DEFAULT.hashCode();
            }
        }

        /** What these lines of records.jsonl leave of it; truncated and targets stay those of the training. */
        public Data left(List<RunRecord> lines) {
            int learned = (int) lines.stream().filter(line -> line.split() == RunRecord.Split.TRAIN).count();
            return new Data(path, holdoutPath, RunData.hash(lines), learned, lines.size() - learned, truncated, targets, form);
        }
    }

    /** Version, libtorch, instruction set, device, threads and dtype of this process: where they are equal, the last bits of a sum are. */
    public static String computing(Engine engine) {
        Engine.BuildInfo build = Engine.buildInfo();
        return "lethe " + VERSION + ", libtorch " + build.torchVersion() + ", " + build.isa() + ", " + engine.device() + ", "
                + engine.threads() + " threads, " + engine.compute().name().toLowerCase(Locale.ROOT);
    }

    /** Device as {@code cpu} or {@code cuda:0}; threads are libtorch's. */
    public record Machine(String device, int threads, String torch) { }

    /**
     * @param steps        optimizer steps
     * @param finalLoss    of the last step's batch
     * @param modelHash    {@code Trainer.modelHash} after the last step
     * @param settingsHash {@link dev.lethe.model.Checkpoint#settingsHash}, null in runs of an earlier version
     * @param ledger       what was captured, null without
     */
    public record Result(long steps, double finalLoss, String modelHash, String settingsHash, Ledger ledger) {
        /** The same with the weights and the settings of another model. */
        public Result withModel(String modelHash, String settingsHash) {
            return new Result(steps, finalLoss, modelHash, settingsHash, ledger);
        }
    }

    /** Names of the captured sites, entries and bytes on disk. */
    public record Ledger(List<String> sites, int headTopK, Dtype dtype, long entries, long bytes) {
        public Ledger {
            sites = List.copyOf(sites);
        }
    }

    /**
     * The places of a training's order. A place says nothing of its record, so one that is erased leaves it behind.
     *
     * @param records places: as many as there were records to learn
     * @param late    places that are seen in the training's end alone, ascending
     * @param masked  places that are empty: left out by the training, or by an erasure since; ascending
     * @param kept    steps whose checkpoints the run keeps to replay from, ascending
     */
    public record Plan(int records, List<Integer> late, List<Integer> masked, List<Long> kept) {
        public Plan {
            late = List.copyOf(late);
            masked = List.copyOf(masked);
            kept = List.copyOf(kept);
        }

        /** Of a training as usual. */
        public static Plan whole(int records) {
            return new Plan(records, List.of(), List.of(), List.of());
        }

        /** The places that are not empty, ascending: those of the run's learned records, in their order. */
        int[] open() {
            BitSet empty = new BitSet();
            masked.forEach(empty::set);
            return IntStream.range(0, records).filter(place -> !empty.get(place)).toArray();
        }

        /** The places of these records. @param rows the run's, as they are before the records leave it */
        public BitSet places(List<RunRecord> rows, Set<String> ids) {
            int[] open = open();
            List<RunRecord> learned = rows.stream().filter(row -> row.split() == RunRecord.Split.TRAIN).toList();
            if (learned.size() != open.length) {
                throw new DamagedDataException("records.jsonl has " + learned.size() + " learned records, the plan in lethe.json"
                        + " places for " + open.length + "; bring back the files that were made together");
            }
            BitSet places = new BitSet();
            IntStream.range(0, open.length).filter(i -> ids.contains(learned.get(i).id())).forEach(i -> places.set(open[i]));
            return places;
        }

        /** Whether the learned ones of these rows are as many as have places. */
        public boolean fits(List<RunRecord> rows) {
            return rows.stream().filter(row -> row.split() == RunRecord.Split.TRAIN).count() == open().length;
        }

        /** With the places of these records empty too; null where the rows are not this plan's, which nobody can replay any more. */
        public Plan without(List<RunRecord> rows, Set<String> ids) {
            if (!fits(rows)) {
                return null;
            }
            BitSet empty = places(rows, ids);
            masked.forEach(empty::set);
            return new Plan(records, late, empty.stream().boxed().toList(), kept);
        }

        public Plan withKept(List<Long> steps) {
            return new Plan(records, late, masked, steps);
        }
    }

    /** The folder of the run that an erasure started from, and the erasure's id. */
    public record Lineage(String parent, String erasure) {
        public Lineage {
            requireFolder(parent);
            Objects.requireNonNull(erasure, "erasure");
        }
    }

    /**
     * Another run of the lineage.
     *
     * @param run      its folder
     * @param identity {@link RunInfo#identity}
     */
    public record Kin(String run, String identity, State state) {
        /** INTENDED until it has its name; GONE when a person has said that it was deleted. */
        public enum State { INTENDED, MADE, GONE }

        public Kin {
            requireFolder(run);
            Objects.requireNonNull(identity, "identity");
            Objects.requireNonNull(state, "state");
        }
    }

    private static void requireFolder(String path) {
        if (path == null || Path.of(path).getFileName() == null) {
            throw new IllegalArgumentException("\"" + path + "\" is no folder of a run");
        }
    }

    /** Of a complete run: its model's hash and, as an erasure may move nothing, the id of the erasure that made it. */
    public String identity() {
        return result.modelHash() + (lineage == null ? "" : "-" + lineage.erasure());
    }

    public RunInfo withState(State state) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, kin, adopted, plan);
    }

    public RunInfo withResult(Result result) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, kin, adopted, plan);
    }

    public RunInfo withConfig(TrainConfig config) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, kin, adopted, plan);
    }

    public RunInfo withData(Data data) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, kin, adopted, plan);
    }

    public RunInfo withLineage(Lineage lineage) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, kin, adopted, plan);
    }

    public RunInfo withKin(List<Kin> kin) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, kin, adopted, plan);
    }

    public RunInfo withPlan(Plan plan) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, kin, adopted, plan);
    }

    /**
     * How a run was adopted; losses are means over target tokens, in nats.
     * What is known of a model's training that was made elsewhere.
     *
     * @param base          folder of the model before fine-tuning, null when none was given
     * @param epochsAssumed whether nobody said how many epochs it was trained
     * @param rateMeasured  whether the learning rate is one found by trial
     * @param loss          of the records as learned
     * @param heldOutLoss   of the held-out records, null without any
     * @param baseLoss      of the records under the base, null without one
     * @param unlearned     records that the model knows no better than ones it never saw
     *
     */
    public record Adopted(String base, boolean epochsAssumed, boolean rateMeasured, double loss, Double heldOutLoss,
                          Double baseLoss, int unlearned) {
    }
}
