/*
 * The state from which a killed training goes on: parameters, both AdamW moments and the number of whole steps; of an
 * adoption, which moves no weight, the steps alone. Nothing random is kept, since the order of records follows from seed
 * and epoch. A checkpoint is a folder that appears whole, by one rename, before the one before it is removed. Kept ones, which a
 * replay begins from, lie in replay/ and stay; they say by hash what their weights were made of.
 */
package dev.lethe.train;

import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Sha256;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.MappedFile;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunJson;
import dev.lethe.run.TrainOrder;
import dev.lethe.shape.Dtype;
import dev.lethe.train.RankLedgers.Counts;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

final class TrainCheckpoint {
    private static final Pattern NAME = Pattern.compile("checkpoint-(\\d+)(-new|\\.part-\\d+)?");
    private static final List<Buffer> BUFFERS = List.of(Buffer.PARAMETERS, Buffer.MOMENT1, Buffer.MOMENT2);

    /**
     * @param entries of the ledger's own folder, synced before it; null in a checkpoint of an earlier version
     * @param ranks   of its folders rank-0000 and on, null where there are none
     * @param plan    {@link TrainOrder#hash}, of a kept one
     * @param sha256  of its three files one after the other, of a kept one
     */
    private record State(long step, long numbers, Dtype dtype, Integer entries, List<Integer> ranks, String plan, String sha256) {
        static State of(LanguageModel model, long step, Counts entries, String plan) {
            return new State(step, model.flatSize(), model.dtype(), entries.own(), entries.ranks().isEmpty() ? null : entries.ranks(),
                    plan, null);
        }

        State withSha256(String hash) {
            return new State(step, numbers, dtype, entries, ranks, plan, hash);
        }

        Counts counts() {
            return new Counts(entries, ranks == null ? List.of() : ranks);
        }
    }

    private TrainCheckpoint() { }

    private static List<Buffer> moved(RunFolder run) {
        return run.info().adopted() == null ? BUFFERS : List.of();
    }

    /** Bytes of one checkpoint of a training. */
    static long bytes(LanguageModel model) {
        return BUFFERS.size() * model.flatSize() * model.dtype().bytes();
    }

    /** Writes the state after this many whole steps and ledger entries, then removes every earlier checkpoint. */
    static void write(RunFolder run, LanguageModel model, long step, Counts entries) {
        write(run, model, run.root().resolve("checkpoint-" + step), State.of(model, step, entries, null));
    }

    /** As {@link #write}, to stay. @param plan {@link TrainOrder#hash} after these steps */
    static void keep(RunFolder run, LanguageModel model, long step, Counts entries, String plan) {
        write(run, model, kept(run.root(), step), State.of(model, step, entries, plan));
    }

    private static void write(RunFolder run, LanguageModel model, Path folder, State state) {
        Io.disk(folder + ": writing the checkpoint", () -> {
            PrivateFiles.makeFolder(folder.getParent());
            PrivateFiles.folder(folder, fresh -> {
                for (Buffer buffer : moved(run)) {
                    try (FileChannel channel = PrivateFiles.create(file(fresh, buffer))) {
                        model.buffer(buffer).store(channel);
                    }
                }
                PrivateFiles.write(fresh.resolve("state.json"), RunJson.pretty(state.plan == null ? state
                        : state.withSha256(sha256(fresh))));
            });
            remove(run, folder);
        });
    }

    private static String sha256(Path folder) throws IOException {
        return Sha256.hex(Sha256.of(BUFFERS.stream().map(buffer -> file(folder, buffer)).toList()));
    }

    /** Where a run keeps the checkpoint of this step. */
    static Path kept(Path root, long step) {
        return root.resolve("replay").resolve("checkpoint-" + step);
    }

    /** Whether a run keeps it, whole. */
    static boolean isKept(Path root, long step) {
        return Files.isRegularFile(kept(root, step).resolve("state.json"));
    }

    private static Path folder(RunFolder run, long step) {
        Path own = run.root().resolve("checkpoint-" + step);
        return Files.isDirectory(own) ? own : kept(run.root(), step);
    }

    /** What a kept checkpoint's weights were made of. */
    static String plan(Path root, long step) {
        return state(kept(root, step)).plan();
    }

    /** @throws DamagedDataException when a kept checkpoint's files are not what was written */
    static void requireWhole(Path root, long step) {
        Path folder = kept(root, step);
        Io.disk(folder + ": reading the checkpoint", () -> {
            String now = sha256(folder);
            if (!now.equals(state(folder).sha256())) {
                throw new DamagedDataException(folder + ": was written with SHA-256 " + state(folder).sha256() + ", is now " + now
                        + "; bring it back from a copy, or erase by another strategy");
            }
        });
    }

    /** Steps of the last checkpoint, kept ones counted in; 0 when there is none. */
    static long last(RunFolder run) {
        long kept = run.info().plan() == null ? 0 : run.info().plan().kept().stream().filter(step -> isKept(run.root(), step))
                .mapToLong(Long::longValue).max().orElse(0);
        return Math.max(kept, lastOwn(run));
    }

    private static long lastOwn(RunFolder run) {
        return folders(run).stream().map(folder -> NAME.matcher(folder.getFileName().toString()))
                .filter(name -> name.matches() && name.group(2) == null)
                .mapToLong(name -> Long.parseLong(name.group(1))).max().orElse(0);
    }

    static void restore(RunFolder run, LanguageModel model, long step) {
        Path folder = folder(run, step);
        State state = state(folder);
        State wanted = new State(step, model.flatSize(), model.dtype(), state.entries, state.ranks, state.plan, state.sha256);
        if (!state.equals(wanted)) {
            throw new DamagedDataException(folder + ": is of " + state + ", the run's model needs " + wanted);
        }
        for (Buffer buffer : moved(run)) {
            restore(file(folder, buffer), model, buffer);
        }
    }

    /** Entries that the ledger had at the checkpoint. */
    static Counts entries(RunFolder run, long step) {
        return state(folder(run, step)).counts();
    }

    static int keptEntries(Path root, long step) {
        return state(kept(root, step)).counts().all();
    }

    private static State state(Path folder) {
        return RunJson.read(folder.resolve("state.json"), State.class);
    }

    private static void restore(Path file, LanguageModel model, Buffer buffer) {
        try (MappedFile mapped = MappedFile.open(file)) {
            long wanted = model.flatSize() * model.dtype().bytes();
            if (mapped.size() != wanted) {
                throw new DamagedDataException(file + ": has " + mapped.size() + " bytes, must have " + wanted);
            }
            model.buffer(buffer).restore(mapped, 0);
        }
    }

    /** Removes every checkpoint, begun ones too, but {@code keep}, which may be null. */
    static void remove(RunFolder run, Path keep) throws IOException {
        for (Path folder : folders(run)) {
            if (!folder.equals(keep)) {
                PrivateFiles.deleteTree(folder);
            }
        }
    }

    private static List<Path> folders(RunFolder run) {
        return Io.disk(run + ": looking for checkpoints", () -> Io.list(run.root())).stream()
                .filter(path -> NAME.matcher(path.getFileName().toString()).matches()).toList();
    }

    private static Path file(Path folder, Buffer buffer) {
        return folder.resolve(buffer.name().toLowerCase(Locale.ROOT) + ".bin");
    }
}
