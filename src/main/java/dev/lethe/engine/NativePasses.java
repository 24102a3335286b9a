package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_adamw;
import dev.lethe.bindings.lethe_generation;
import dev.lethe.bindings.lethe_token_scores;
import dev.lethe.engine.OwnedMemory.CancelFlag;
import dev.lethe.engine.OwnedMemory.Scratch;
import dev.lethe.engine.OwnedMemory.SiteMask;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** The passes of one model: what {@link LanguageModel} offers on batches, with the reused native arguments for it. */
final class NativePasses {
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;

    private final MemorySegment model;
    private final NativeCalls calls;
    private final CancelFlag cancel;
    private final NativeBatch nativeBatch;
    private final CapturedEntries entries;
    private final Scratch losses;  // [B]
    private final Scratch outputs; // what else a pass returns
    private final Scratch drawn;   // seeds [B]
    private final MemorySegment scores;
    private final MemorySegment generation;
    private final SiteMask mask;
    private final MemorySegment adamw;
    private final MemorySegment norm; // one double out

    NativePasses(OwnedMemory memory, MemorySegment model, List<Site> sites, NativeCalls calls, CancelFlag cancel,
            CapturedEntries entries) {
        this.model = model;
        this.calls = calls;
        this.cancel = cancel;
        this.entries = entries;
        nativeBatch = new NativeBatch(memory);
        losses = new Scratch(memory);
        outputs = new Scratch(memory);
        drawn = new Scratch(memory);
        scores = lethe_token_scores.allocate(memory.arena());
        lethe_token_scores.struct_size(scores, lethe_token_scores.sizeof());
        generation = lethe_generation.allocate(memory.arena());
        lethe_generation.struct_size(generation, lethe_generation.sizeof());
        mask = new SiteMask(memory, sites);
        adamw = lethe_adamw.allocate(memory.arena());
        lethe_adamw.struct_size(adamw, lethe_adamw.sizeof());
        norm = memory.arena().allocate(DOUBLE);
    }

    double[] losses(Batch batch) {
        return evaluate("losses", batch, MemorySegment.NULL);
    }

    LanguageModel.TokenScores score(Batch batch) {
        int count = batch.tokenCount();
        long column = (long) count * Double.BYTES;
        MemorySegment block = outputs.atLeast(3 * column + count);
        lethe_token_scores.log_probability(scores, block);
        lethe_token_scores.mean(scores, block.asSlice(column));
        lethe_token_scores.deviation(scores, block.asSlice(2 * column));
        lethe_token_scores.greedy_hit(scores, block.asSlice(3 * column));
        double[] means = evaluate("score", batch, scores);
        boolean[] hits = new boolean[count];
        for (int t = 0; t < count; t++) {
            hits[t] = block.get(ValueLayout.JAVA_BYTE, 3 * column + t) != 0;
        }
        return new LanguageModel.TokenScores(Scratch.read(block, 0, count), Scratch.read(block, column, count),
                Scratch.read(block, 2 * column, count), hits, means);
    }

    private double[] evaluate(String operation, Batch batch, MemorySegment scores) {
        batch.requireTargets(operation);
        MemorySegment out = losses.doubles(batch.records());
        MemorySegment in = nativeBatch.fill(batch);
        calls.done(operation, LetheNative.lethe_model_evaluate(model, in, scores, out, cancel.lowered(),
                calls.begin()));
        return Scratch.read(out, 0, batch.records());
    }

    /** [sum T, V]; the block is made for the call, because only tests ask for it. */
    double[] logits(Batch batch, long vocabulary, Dtype dtype) {
        int count = Math.toIntExact(batch.tokenCount() * vocabulary);
        long bytes = (long) count * dtype.bytes();
        try (Arena own = Arena.ofConfined()) {
            MemorySegment out = own.allocate(bytes, dtype.bytes());
            MemorySegment in = nativeBatch.fill(batch);
            calls.done("logits", LetheNative.lethe_model_logits(model, in, out, bytes, calls.begin()));
            if (dtype == Dtype.F64) {
                return out.toArray(DOUBLE);
            }
            double[] wide = new double[count];
            for (int i = 0; i < count; i++) {
                wide[i] = out.getAtIndex(ValueLayout.JAVA_FLOAT, i);
            }
            return wide;
        }
    }

    double[] gradient(Batch batch, boolean accumulate, CaptureRing.Capture capture) {
        MemorySegment into = capture == null ? MemorySegment.NULL : entries.capture(capture, batch.records());
        MemorySegment out = losses.doubles(batch.records());
        backward("gradient", batch, accumulate, into, out, MemorySegment.NULL);
        CapturedEntries.keep(capture);
        return Scratch.read(out, 0, batch.records());
    }

    double[] activationGradient(Batch batch, boolean accumulate, int sites) {
        int count = Math.multiplyExact(batch.records(), sites);
        MemorySegment products = outputs.doubles(count);
        MemorySegment out = losses.doubles(batch.records());
        backward("activation gradient", batch, accumulate, MemorySegment.NULL, out, products);
        return Scratch.read(products, 0, count);
    }

    private void backward(String operation, Batch batch, boolean accumulate, MemorySegment capture, MemorySegment out,
            MemorySegment products) {
        batch.requireTargets(operation);
        MemorySegment in = nativeBatch.fill(batch);
        calls.done(operation, LetheNative.lethe_model_gradient(model, in, accumulate ? 1 : 0, capture, out, products,
                cancel.lowered(), calls.begin()));
    }

    double step(AdamW options, long step, SiteSet moved) {
        MemorySegment sites = mask.of(moved);
        lethe_adamw.learning_rate(adamw, options.learningRate());
        lethe_adamw.beta1(adamw, options.beta1());
        lethe_adamw.beta2(adamw, options.beta2());
        lethe_adamw.epsilon(adamw, options.epsilon());
        lethe_adamw.weight_decay(adamw, options.weightDecay());
        lethe_adamw.max_norm(adamw, options.maxNorm());
        lethe_adamw.step(adamw, step);
        lethe_adamw.sites(adamw, sites);
        calls.done("AdamW step", LetheNative.lethe_model_adamw(model, adamw, norm, calls.begin()));
        return norm.get(DOUBLE, 0);
    }

    int[][] generate(List<int[]> prompts, Generation options, long[] seeds) {
        MemorySegment in = nativeBatch.fill(Batch.prompts(prompts));
        MemorySegment each = drawn.atLeast((long) seeds.length * Long.BYTES);
        MemorySegment.copy(seeds, 0, each, ValueLayout.JAVA_LONG, 0, seeds.length);
        lethe_generation.max_new_tokens(generation, options.maxNewTokens());
        lethe_generation.top_k(generation, options.topK());
        lethe_generation.temperature(generation, options.temperature());
        lethe_generation.seeds(generation, each);
        lethe_generation.stop_token(generation, options.stopToken());
        int records = prompts.size();
        long row = options.maxNewTokens();
        MemorySegment lengths = losses.atLeast((long) records * Long.BYTES);
        MemorySegment tokens = outputs.atLeast(records * row * Integer.BYTES);
        calls.done("generate", LetheNative.lethe_model_generate(model, in, generation, tokens, lengths,
                cancel.lowered(), calls.begin()));
        int[][] produced = new int[records][];
        for (int b = 0; b < records; b++) {
            produced[b] = new int[(int) lengths.getAtIndex(ValueLayout.JAVA_LONG, b)];
            MemorySegment.copy(tokens, INT, b * row * Integer.BYTES, produced[b], 0, produced[b].length);
        }
        return produced;
    }
}
