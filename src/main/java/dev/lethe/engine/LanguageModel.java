package dev.lethe.engine;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_model_config;
import dev.lethe.engine.Curvature.NativeCurvature;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSelector;
import dev.lethe.shape.SiteSet;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A language model on one device: parameters, gradient, AdamW moments and workspace, and the passes over them.
 *
 * <p>Belongs to the thread that made it, had it made in {@link Work} or took it over ({@link #own()}): from another thread everything but
 * {@link #cancel()} is refused with WrongThreadException, {@link #close()} too as long as that thread lives; after close
 * everything is, with IllegalStateException. One that nobody closes is freed by the garbage collector, logged and counted
 * ({@link Engine#abandonedHandles()}). A call holds its thread: on a virtual one, make many of them in {@link Work#run}.
 * Failures of the native side are {@link EngineException}; wrong arguments IllegalArgumentException. Shape letters: B
 * records of a batch, T tokens, V vocabulary, S sites, P elements of a flat buffer. What captures left is worked on
 * through {@link #entries()}.
 */
public final class LanguageModel implements AutoCloseable {
    private static final long MERGED_PIECE_BYTES = 1 << 26;

    private final Device device;
    private final ModelShape shape;
    private final Dtype dtype;
    private final Base base;
    private final OwnedMemory memory;
    private final OwnedMemory.CancelFlag cancel;
    private final NativeCalls calls;
    private final MemorySegment handle;
    private final ModelLayout layout;
    private final Map<Buffer, ParameterVector> buffers = new EnumMap<>(Buffer.class);
    private final NativePasses passes;
    private final DistanceGradients distances;
    private final NativeCurvature curvature;
    private final CapturedEntries entries;

    LanguageModel(Engine engine, ModelShape shape, Dtype dtype, Base base) {
        device = engine.device();
        this.shape = Objects.requireNonNull(shape, "shape");
        this.dtype = Objects.requireNonNull(dtype, "dtype");
        if (dtype != Dtype.F32 && dtype != Dtype.F64) {
            throw new IllegalArgumentException("model: dtype " + dtype + " is not supported; use F32 or F64");
        }
        if (shape.hasAdapters() != (base != null)) {
            throw new IllegalArgumentException("model: a shape " + (base == null ? "with adapters needs a base"
                    : "without adapters has no base"));
        }
        this.base = base;
        if (base != null) {
            base.share();
        }
        memory = new OwnedMemory("the model", engine.askedThreads());
        cancel = new OwnedMemory.CancelFlag(memory);
        try {
            calls = new NativeCalls(memory);
            layout = ModelLayout.of(shape);
            handle = create(engine);
            List<Site> sites = layout.sites();
            entries = new CapturedEntries(memory, handle, sites, calls, cancel);
            passes = new NativePasses(memory, handle, sites, calls, cancel, entries);
            distances = new DistanceGradients(memory, handle, shape, calls, cancel);
            curvature = new NativeCurvature(memory, handle, sites, calls, cancel);
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    // ---- what it is -------------------------------------------------------------------------------------------

    public Device device() {
        return device;
    }

    public ModelShape shape() {
        return shape;
    }

    /** F32, or F64 in tests: the type of every flat buffer and of all arithmetic. */
    public Dtype dtype() {
        return dtype;
    }

    /** Parameter tensors in the order of the flat buffer. */
    public List<TensorInfo> tensors() {
        return layout.tensors();
    }

    /** The base's tensors, as {@link ModelLayout#frozen()}. */
    public List<TensorInfo> frozen() {
        return List.copyOf(layout.frozen().keySet());
    }

    /** The frozen weights that its adapters are on; null without adapters. */
    public Base base() {
        return base;
    }

    /** S sites, as {@link ModelLayout#sites()}. */
    public List<Site> sites() {
        return layout.sites();
    }

    /** Trainable numbers; a tied table counts once. */
    public long parameters() {
        return layout.parameters();
    }

    /** P, elements of a flat buffer, with the zero gaps that align its tensors. */
    public long flatSize() {
        return layout.flatSize();
    }

    /** The sites that a {@link SiteSelector} text means in this model. */
    public SiteSet sites(String selector) {
        return layout.sites(selector);
    }

    // ---- vectors ----------------------------------------------------------------------------------------------

    /** Random weights as the family has them; the same numbers on every device and thread count. */
    public void initialize(long seed) {
        calls.done("initialize", LetheNative.lethe_model_initialize(handle, seed, calls.begin()));
    }

    /**
     * One of this model's own flat buffers: what changes the vector changes the model. The same object each time; the model
     * closes it. Moments that no step has made yet are made, as zeros.
     */
    public ParameterVector buffer(Buffer buffer) {
        memory.check();
        return buffers.computeIfAbsent(buffer, which -> new ParameterVector(space(), which));
    }

    /** A new vector of zeros; it belongs to the same thread. */
    public ParameterVector vector() {
        return new ParameterVector(space());
    }

    /**
     * Writes one of {@link #frozen()} with its adapter put in, W + scale A B as a checkpoint has it, little-endian, row-major.
     *
     * @param target F32, F16 or BF16
     */
    public void storeMerged(TensorInfo tensor, Dtype target, WritableByteChannel channel) throws IOException {
        Integer number = layout.frozen().get(tensor);
        if (number == null) {
            throw new IllegalArgumentException("merged: " + tensor.name() + " is not a tensor of this model's base");
        }
        try (Arena arena = Arena.ofConfined()) {
            long bytes = tensor.count() * target.bytes();
            MemorySegment out = arena.allocate(bytes, 64);
            calls.done("merged", LetheNative.lethe_model_merged(handle, number, target.code(), out, bytes, calls.begin()));
            for (long at = 0; at < bytes; at += MERGED_PIECE_BYTES) {
                ByteBuffer piece = out.asSlice(at, Math.min(MERGED_PIECE_BYTES, bytes - at)).asByteBuffer();
                while (piece.hasRemaining()) {
                    channel.write(piece);
                }
            }
        }
    }

    // ---- passes -----------------------------------------------------------------------------------------------

    /** Mean loss of each record, [B], natural logarithm; forward only. */
    public double[] losses(Batch batch) {
        return passes.losses(batch);
    }

    /** What each position's prediction looked like; forward only. */
    public TokenScores score(Batch batch) {
        return passes.score(batch);
    }

    /** All logits, [sum T, V] row-major; for tests of small models. */
    public double[] logits(Batch batch) {
        return passes.logits(batch, shape.vocabulary(), dtype);
    }

    /** Forward and backward into {@link Buffer#GRADIENT}; the losses [B]. */
    public double[] gradient(Batch batch) {
        return gradient(batch, false, null);
    }

    /**
     * Forward and backward.
     *
     * @param accumulate whether to add to the gradient buffer instead of overwriting it
     * @param capture    where each record's own gradient goes, whatever its weight; null = nowhere
     * @return mean loss of each record, [B]
     */
    public double[] gradient(Batch batch, boolean accumulate, CaptureRing.Capture capture) {
        return passes.gradient(batch, accumulate, capture);
    }

    /** Arithmetic over what captures left. */
    public CapturedEntries entries() {
        return entries;
    }

    /** Gradients toward a reference model's predictions, or toward a target of the hidden states, into the same buffer. */
    public DistanceGradients distances() {
        return distances;
    }

    /**
     * A ring for captures of this model; only for a model on a device, elsewhere entries are written in place.
     *
     * @param slots     captures on their way at once
     * @param slotBytes of the largest batch's entries
     */
    public CaptureRing captureRing(int slots, long slotBytes) {
        return new CaptureRing(handle(), memory.threads(), slots, slotBytes);
    }

    /**
     * The activation-gradient product of Zagardo 2024 (arXiv 2406.09391): at each site the sum over a record's tokens
     * of &lt;y, dL/dy&gt;, y the site's output and L the record's own mean loss. The gradient buffer gets, or with
     * {@code accumulate} gains, the batch's gradient as from {@link #gradient(Batch, boolean, CaptureRing.Capture)}.
     *
     * @return [B, S] row-major
     */
    public double[] activationGradient(Batch batch, boolean accumulate) {
        return passes.activationGradient(batch, accumulate, sites().size());
    }

    /**
     * Products of the Hessian or the Gauss-Newton matrix of the batch's loss, sum over b of weight[b] times the record's
     * mean loss, with vectors of this model; and each record's quadratic forms. No gradient buffer is touched. Data sets
     * are summed batch by batch with {@link Curvature#accumulate}. Memory of the activations grows as 1 + K.
     *
     * @throws EngineException NOT_FINITE when a loss is not finite
     */
    public Curvature.Result curvature(Batch batch, Curvature asked) {
        return curvature.run(batch, asked);
    }

    /** One AdamW step of all parameters from the gradient buffer; see the other form. */
    public double step(AdamW options, long step) {
        return step(options, step, null);
    }

    /**
     * One AdamW step from the gradient buffer.
     *
     * @param step  counts from 1, for bias correction
     * @param moved only the tensors of these sites move, and only they count for the norm; null = all
     * @return L2 norm of the gradient before clipping
     * @throws EngineException NOT_FINITE when the gradient is not finite; then nothing has moved
     */
    public double step(AdamW options, long step, SiteSet moved) {
        return passes.step(options, step, moved);
    }

    /** Continues each prompt; the new tokens of each, without the stop token. */
    public int[][] generate(List<int[]> prompts, Generation options) {
        long[] seeds = new long[prompts.size()];
        Arrays.fill(seeds, options.seed());
        return generate(prompts, options, seeds);
    }

    /**
     * The same with a seed for each prompt in place of {@code options.seed()}, so that one call draws several continuations of one
     * prompt: a step reads the weights once for all of them.
     *
     * @throws IllegalArgumentException if there are not as many seeds as prompts
     */
    public int[][] generate(List<int[]> prompts, Generation options, long[] seeds) {
        if (seeds.length != prompts.size()) {
            throw new IllegalArgumentException("generation: " + seeds.length + " seeds for " + prompts.size()
                    + " prompts, must be as many");
        }
        return passes.generate(prompts, options, seeds);
    }

    /** Makes it the calling thread's, whoever had it: for owners that share a model and let one thread at a time use it. */
    public void own() {
        memory.own();
    }

    /**
     * Ends the pass or entry arithmetic in progress, if any, soon: it throws {@link EngineException} with
     * {@link Status#CANCELLED} and leaves the parameters as they were. Any thread may call this; it does not reach
     * calls that start later, and does nothing on a closed model.
     */
    public void cancel() {
        cancel.raise();
    }

    // ---- factors ----------------------------------------------------------------------------------------------

    /** Factors of this model's Fisher matrix that have seen nothing yet; the caller closes them before the model. */
    public KroneckerFactors factors(KroneckerFactors.Spec spec) {
        return new KroneckerFactors(space(), cancel, spec, KroneckerFactors.Stage.COVARIANCE, 0);
    }

    /**
     * Factors as {@link KroneckerFactors#save} wrote them.
     *
     * @param files     one of all sites; or, in the order of their sites, several of some each, made of the same records by one spec
     * @param modelHash of this model's weights
     * @throws BadInputException    when a file is absent, not of factors, or of another model, naming both hashes
     * @throws DamagedDataException when one was cut or a byte was changed, or they do not go together
     */
    public KroneckerFactors loadFactors(List<Path> files, String modelHash) {
        return KroneckerFactors.load(space(), cancel, files, modelHash);
    }

    /** Factors of one file; see {@link #loadFactors(List, String)}. */
    public KroneckerFactors loadFactors(Path file, String modelHash) {
        return loadFactors(List.of(file), modelHash);
    }

    /** Frees the native memory; closing again does nothing. */
    @Override
    public void close() {
        if (memory.isOpen()) {
            memory.close();
            if (base != null) {
                base.release();
            }
        }
    }

    MemorySegment handle() {
        memory.check();
        return handle;
    }

    // ---- making -----------------------------------------------------------------------------------------------

    private MemorySegment create(Engine engine) {
        MemorySegment config = ModelConfig.of(memory.arena(), engine, shape, dtype);
        if (base != null) {
            lethe_model_config.base(config, base.handle());
        }
        MemorySegment out = memory.arena().allocate(ValueLayout.ADDRESS);
        calls.done("create model", LetheNative.lethe_model_create(config, out, calls.begin()));
        return out.get(ValueLayout.ADDRESS, 0).reinterpret(memory.arena(), LetheNative::lethe_model_destroy);
    }

    private VectorSpace space() {
        return new VectorSpace(memory, handle, shape, dtype, layout);
    }

    /**
     * What each position's prediction looked like. Every array but the last is [sum T], in the batch's token order, NaN
     * (hit: false) where a position has no target.
     *
     * @param logProbability log p(target), natural logarithm
     * @param mean           E[log p(v)] over the vocabulary under p, for Min-K%++
     * @param deviation      standard deviation of log p(v) under p
     * @param greedyHit      whether the most likely token is the target
     * @param losses         [B] mean of -log p over a record's targets; 0 for a record without targets
     */
    public record TokenScores(double[] logProbability, double[] mean, double[] deviation, boolean[] greedyHit,
            double[] losses) {
    }
}
