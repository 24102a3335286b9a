/*
 * What lethe.json says: by what version and from what a run was made, how far it is, and what it descends from. Holds no
 * time and no host, so that the same training writes the same bytes.
 */
package dev.lethe.train;

import dev.lethe.engine.Dtype;
import dev.lethe.engine.ModelShape;
import java.util.List;

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
 * @param children the runs that erasures made from it; null in a file means none
 */
public record RunInfo(int format, String lethe, State state, Source source, Data data, TrainConfig config,
                      Machine machine, Result result, Lineage lineage, List<Child> children) {
    /** The layout this version reads and writes. */
    public static final int FORMAT = 1;
    /** This version of Lethe. */
    public static final String VERSION = "0.1.0";

    public RunInfo {
        children = children == null ? List.of() : List.copyOf(children);
    }

    /** TRAINING until the model and the ledger are whole on disk. */
    public enum State { TRAINING, COMPLETE }

    /**
     * @param checkpoint folder of the weights, null for fresh ones
     * @param shape      of the model
     * @param tokenizer  folder with the tokenizer's files, null for GPT-2's own
     * @param modelHash  {@link Trainer#modelHash} before the first step
     */
    public record Source(String checkpoint, ModelShape shape, String tokenizer, String modelHash) { }

    /**
     * @param path        of the data file
     * @param holdoutPath of the held-out data file, null when there is none
     * @param sha256      over ids, text hashes and splits of all records, in order
     * @param records     learned
     * @param holdout     held out
     * @param truncated   learned records that were cut to the context
     * @param targets     tokens with a loss in one epoch
     */
    public record Data(String path, String holdoutPath, String sha256, int records, int holdout, int truncated,
                       long targets) {
        /** What these lines of records.jsonl leave of it; truncated and targets stay those of the training. */
        public Data left(List<RunRecord> lines) {
            int learned = (int) lines.stream().filter(line -> line.split() == Split.TRAIN).count();
            return new Data(path, holdoutPath, RunData.hash(lines), learned, lines.size() - learned, truncated, targets);
        }
    }

    /** Device as {@code cpu} or {@code cuda:0}; threads are libtorch's. */
    public record Machine(String device, int threads, String torch) { }

    /**
     * @param steps        optimizer steps
     * @param finalLoss    of the last step's batch
     * @param modelHash    {@link Trainer#modelHash} after the last step
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
     * What an erasure started from.
     *
     * @param parent     folder of the run
     * @param parentHash its {@link Result#modelHash}
     * @param erasure    the erasure's id
     * @param parentGone whether a person has said that the parent was deleted
     */
    public record Lineage(String parent, String parentHash, String erasure, boolean parentGone) {
        Lineage gone() {
            return new Lineage(parent, parentHash, erasure, true);
        }

        Lineage at(String place) {
            return new Lineage(place, parentHash, erasure, parentGone);
        }
    }

    /** A run that an erasure made from this one: its folder and the erasure's id. */
    public record Child(String run, String erasure, State state) {
        /** INTENDED until it has its name; GONE when a person has said that it was deleted. */
        public enum State { INTENDED, MADE, GONE }
    }

    public RunInfo withState(State state) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, children);
    }

    public RunInfo withResult(Result result) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, children);
    }

    public RunInfo withData(Data data) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, children);
    }

    public RunInfo withLineage(Lineage lineage) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, children);
    }

    public RunInfo withChildren(List<Child> children) {
        return new RunInfo(format, lethe, state, source, data, config, machine, result, lineage, children);
    }
}
