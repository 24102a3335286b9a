/*
 * Kronecker factors of a Fisher matrix as a native handle: two streaming passes, an eigen-decomposition between them,
 * powers of the damped matrix, one file. The loops over data are their users'; the formulas stand in lethe.h.
 */
package dev.lethe.engine;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.EngineException;
import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_kfac_info;
import dev.lethe.bindings.lethe_kfac_options;
import dev.lethe.engine.OwnedMemory.SiteMask;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.SiteSet;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * K-FAC (Martens and Grosse 2015), and after a second pass EK-FAC (George et al. 2018; Grosse et al. 2023), of a model's
 * Fisher matrix over some sites, embedding and tied head included. Confined to its model's thread; close it before the
 * model, whose {@link LanguageModel#cancel()} also ends these calls. Overwrites the model's gradient buffer.
 */
public final class KroneckerFactors implements AutoCloseable {
    private static final String KIND = "kronecker-factors";

    private final OwnedMemory memory;
    private final NativeCalls calls;
    private final OwnedMemory.CancelFlag cancel;
    private final MemorySegment model;
    private final VectorSpace space;
    private final Spec spec;
    private final MemorySegment handle;
    private final MemorySegment info;
    private final NativeBatch batches;
    private final OwnedMemory.Scratch losses;
    private final Staging staging;

    /** Whose targets the gradients in F are of. */
    public enum Fisher {
        /** The data's: F = mean of g_i g_i^T, g_i the gradient of record i's mean token loss. */
        EMPIRICAL(LetheNative.LETHE_FISHER_EMPIRICAL()),
        /** Drawn from the model: F = mean of n_i g_i g_i^T, n_i targets; its expectation is the Gauss-Newton matrix. */
        SAMPLED(LetheNative.LETHE_FISHER_SAMPLED());

        private final int code;

        Fisher(int code) {
            this.code = code;
        }
    }

    /** How far they are. */
    public enum Stage {
        /** The first pass sums covariances. */
        COVARIANCE(LetheNative.LETHE_KFAC_COVARIANCE()),
        /** Decomposed: usable as K-FAC. */
        KRONECKER(LetheNative.LETHE_KFAC_KRONECKER()),
        /** The second pass has begun: usable as EK-FAC of the records seen in it. */
        CORRECTED(LetheNative.LETHE_KFAC_CORRECTED());

        private final int code;

        Stage(int code) {
            this.code = code;
        }

        static Stage of(int code) {
            for (Stage stage : values()) {
                if (stage.code == code) {
                    return stage;
                }
            }
            throw new IllegalArgumentException("stage " + code + " of factors is not known to this version");
        }
    }

    /**
     * @param sites  whose tensors have a block; a tied table is chosen by wte or lm_head, and always whole
     * @param fisher which targets
     * @param seed   of the targets drawn
     */
    public record Spec(SiteSet sites, Fisher fisher, long seed) {
        public Spec {
            Objects.requireNonNull(sites, "sites");
            Objects.requireNonNull(fisher, "fisher");
        }
    }

    KroneckerFactors(VectorSpace space, OwnedMemory.CancelFlag cancel, Spec spec, Stage stage, long records) {
        this.space = space;
        this.cancel = cancel;
        this.spec = spec;
        model = space.model();
        memory = new OwnedMemory("a set of factors", space.owner().threads());
        try {
            calls = new NativeCalls(memory);
            handle = create(stage, records);
            info = lethe_kfac_info.allocate(memory.arena());
            lethe_kfac_info.struct_size(info, lethe_kfac_info.sizeof());
            batches = new NativeBatch(memory);
            losses = new OwnedMemory.Scratch(memory);
            staging = new Staging(memory);
        } catch (Throwable e) {
            memory.close();
            throw e;
        }
    }

    private MemorySegment create(Stage stage, long records) {
        MemorySegment options = lethe_kfac_options.allocate(memory.arena());
        lethe_kfac_options.struct_size(options, lethe_kfac_options.sizeof());
        lethe_kfac_options.sites(options, new SiteMask(memory, space.layout().sites()).of(spec.sites));
        lethe_kfac_options.site_count(options, space.layout().sites().size());
        lethe_kfac_options.fisher(options, spec.fisher.code);
        lethe_kfac_options.stage(options, stage.code);
        lethe_kfac_options.records(options, records);
        lethe_kfac_options.seed(options, spec.seed);
        MemorySegment out = memory.arena().allocate(ValueLayout.ADDRESS);
        calls.done("create factors", LetheNative.lethe_kfac_create(model, options, out, calls.begin()));
        return out.get(ValueLayout.ADDRESS, 0).reinterpret(memory.arena(), LetheNative::lethe_kfac_destroy);
    }

    public Spec spec() {
        return spec;
    }

    MemorySegment handle() {
        return handle;
    }

    public Stage stage() {
        return Stage.of(lethe_kfac_info.stage(described()));
    }

    /** Records seen in this stage. */
    public long records() {
        return lethe_kfac_info.records(described());
    }

    /** Numbers in the eigenbases and eigenvalues, of the model's dtype: what decomposed factors hold in memory. */
    public long elements() {
        return lethe_kfac_info.elements(described());
    }

    private MemorySegment described() {
        calls.done("describe factors", LetheNative.lethe_kfac_describe(handle, info, calls.begin()));
        return info;
    }

    /**
     * Adds a batch to the pass in progress; the first one after {@link #decompose} begins the second pass. The batch's
     * weights do not matter.
     *
     * @return mean loss of each record on its own targets, [B]
     * @throws EngineException NOT_FINITE naming the record, CANCELLED; the factors then refuse everything but close
     */
    public double[] accumulate(Batch batch) {
        MemorySegment out = losses.doubles(batch.records());
        calls.done("accumulate factors", LetheNative.lethe_kfac_accumulate(handle, model, batches.fill(batch), out,
                cancel.lowered(), calls.begin()));
        return OwnedMemory.Scratch.read(out, 0, batch.records());
    }

    /** Ends the first pass: eigenbases of every covariance, in fp64. Takes minutes at the size of GPT-2. */
    public void decompose() {
        calls.done("decompose factors", LetheNative.lethe_kfac_decompose(handle, cancel.lowered(), calls.begin()));
    }

    /**
     * out = (F + shift I)^power in, zero outside of the sites; {@code in} and {@code out} may be one vector.
     *
     * @param damping  in every block's shift, 0 or more
     * @param relative times the mean of a block's eigenvalues, added to its shift; Grosse et al. 2023 use 0.1
     * @param power    -1 for the inverse, 1 for the matrix itself
     * @throws EngineException naming the site when a zero eigenvalue without damping is to be inverted
     */
    public void apply(double damping, double relative, double power, ParameterVector in, ParameterVector out) {
        calls.done("apply factors", LetheNative.lethe_kfac_apply(handle, damping, relative, power, in.handle(),
                out.handle(), calls.begin()));
    }

    // ---- files ------------------------------------------------------------------------------------------------

    /** As {@link #save(Path, String, Map)}, and nothing else. */
    public void save(Path file, String modelHash) throws IOException {
        save(file, modelHash, Map.of());
    }

    /**
     * Writes the factors to a file, whole or not at all.
     *
     * @param modelHash of the model that they are of
     * @param also      what else the file is to say, by names of the caller's own; no line breaks
     */
    public void save(Path file, String modelHash, Map<String, String> also) throws IOException {
        Map<String, String> words = new LinkedHashMap<>();
        words.put("model", modelHash);
        words.put("stage", stage().name());
        words.put("records", Long.toString(records()));
        words.put("fisher", spec.fisher.name());
        words.put("seed", Long.toString(spec.seed));
        words.put("sites", String.join(",", spec.sites.names()));
        words.put("shape", space.describe());
        words.putAll(also);
        StringBuilder text = new StringBuilder(KIND);
        words.forEach((key, value) -> text.append('\n').append(key).append('=').append(value));
        NumberFile.write(file, text.toString(), space.dtype(), elements(),
                channel -> staging.store(this::read, 0, elements(), space.dtype(), channel));
    }

    /** What a file says of itself, {@link #save}'s own words among it. Throws as {@link LanguageModel#loadFactors} for no such file. */
    public static Map<String, String> saidBy(Path file) {
        try (NumberFile numbers = NumberFile.open(file)) {
            return words(file, numbers.text());
        }
    }

    /** As {@link LanguageModel#loadFactors}. */
    static KroneckerFactors load(VectorSpace space, OwnedMemory.CancelFlag cancel, List<Path> files, String modelHash) {
        Set<String> sites = new LinkedHashSet<>();
        for (Path file : files) {
            try (NumberFile numbers = NumberFile.open(file)) {
                Map<String, String> words = words(file, numbers.text());
                requireOf(space, file, words, modelHash);
                sites.addAll(Arrays.asList(words.get("sites").split(",")));
            }
        }
        Map<String, String> words = saidBy(files.getFirst());
        Spec spec = new Spec(SiteSet.of(space.layout().sites(), sites), Fisher.valueOf(words.get("fisher")),
                Long.parseLong(words.get("seed")));
        KroneckerFactors factors = new KroneckerFactors(space, cancel, spec, Stage.valueOf(words.get("stage")),
                Long.parseLong(words.get("records")));
        try {
            long at = 0;
            for (Path file : files) {
                at = factors.load(file, at);
            }
            if (at != factors.elements()) {
                throw new DamagedDataException(files.getLast() + ": factors end at number " + at + " of " + factors.elements());
            }
            return factors;
        } catch (Throwable e) {
            factors.close();
            throw e;
        }
    }

    /** A file's numbers from the {@code at}-th on. @return the place behind them */
    private long load(Path file, long at) {
        try (NumberFile numbers = NumberFile.open(file)) {
            numbers.check();
            if (at + numbers.count() > elements()) {
                throw new DamagedDataException(file + ": has " + numbers.count() + " numbers where " + (elements() - at) + " are left");
            }
            staging.load(this::write, at, numbers.count(), numbers.dtype(), numbers.numbers(0, numbers.count()));
            return at + numbers.count();
        }
    }

    private static void requireOf(VectorSpace space, Path file, Map<String, String> words, String modelHash) {
        if (!words.get("model").equals(modelHash)) {
            throw new BadInputException(file + ": factors of model " + words.get("model") + ", this is model "
                    + modelHash + "; compute them for it");
        }
        if (!space.isDescribedBy(words.get("shape"))) {
            throw new BadInputException(file + ": factors of a model with " + words.get("shape") + ", this one has "
                    + space.describe());
        }
    }

    private static Map<String, String> words(Path file, String text) {
        List<String> lines = text.lines().toList();
        Map<String, String> words = new LinkedHashMap<>();
        for (String line : lines.subList(Math.min(1, lines.size()), lines.size())) {
            int equals = line.indexOf('=');
            words.put(equals < 0 ? line : line.substring(0, equals), line.substring(equals + 1));
        }
        if (!text.startsWith(KIND + "\n")
                || !words.keySet().containsAll(List.of("model", "stage", "records", "fisher", "seed", "sites", "shape"))) {
            throw new BadInputException(file + ": holds a " + (lines.isEmpty() ? "file without a name" : lines.getFirst())
                    + ", not " + KIND);
        }
        return words;
    }

    private void read(long offset, long count, Dtype dtype, MemorySegment out) {
        calls.done("read factors", LetheNative.lethe_kfac_read(handle, offset, count, dtype.code(), out, out.byteSize(),
                calls.begin()));
    }

    private void write(long offset, long count, Dtype dtype, MemorySegment in) {
        calls.done("write factors", LetheNative.lethe_kfac_write(handle, offset, count, dtype.code(), in, in.byteSize(),
                calls.begin()));
    }

    /** Frees the native memory; closing again does nothing. */
    @Override
    public void close() {
        memory.close();
    }
}
