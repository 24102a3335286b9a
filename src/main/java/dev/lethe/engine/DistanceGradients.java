package dev.lethe.engine;

import dev.lethe.base.EngineException;
import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_token_loss;
import dev.lethe.engine.OwnedMemory.Scratch;
import dev.lethe.shape.ModelShape;
import java.lang.foreign.MemorySegment;

/**
 * Gradients of one model that do not begin at the next token's plain loss: with a weight or another loss for each target,
 * toward a reference model's predictions, and toward a target of the hidden states. Part of its {@link LanguageModel}, as
 * {@link LanguageModel#distances}.
 *
 * <p>Each goes into {@link Buffer#GRADIENT}: overwritten, or added to, so that it joins other gradients. A distance is at
 * least 0, but for rounding, and falls along the negative gradient. A reference is another model of the same shape and dtype
 * on the same device, made by the same thread; only its workspace changes.
 */
public final class DistanceGradients {
    private final MemorySegment model;
    private final ModelShape shape;
    private final NativeCalls calls;
    private final OwnedMemory.CancelFlag cancel;
    private final NativeBatch nativeBatch;
    private final Scratch targets; // [C]
    private final Scratch values;  // [B]
    private final Scratch weights; // [sum T]
    private final MemorySegment tokenLoss;

    DistanceGradients(OwnedMemory memory, MemorySegment model, ModelShape shape, NativeCalls calls,
            OwnedMemory.CancelFlag cancel) {
        this.model = model;
        this.shape = shape;
        this.calls = calls;
        this.cancel = cancel;
        nativeBatch = new NativeBatch(memory);
        targets = new Scratch(memory);
        values = new Scratch(memory);
        weights = new Scratch(memory);
        tokenLoss = lethe_token_loss.allocate(memory.arena());
        lethe_token_loss.struct_size(tokenLoss, lethe_token_loss.sizeof());
    }

    /**
     * Gradient of sum over b of weight[b] times the mean over record b's targets of the token's weight times -log p.
     *
     * @param tokenWeights [sum T] in the batch's order, finite; read where there is a target
     * @param accumulate   whether to add to the gradient buffer instead of overwriting it
     * @return those means, [B]; 0 for a record without targets
     * @throws EngineException NOT_FINITE when a loss is not finite
     */
    public double[] weighedGradient(Batch batch, double[] tokenWeights, boolean accumulate) {
        if (tokenWeights.length != batch.tokenCount()) {
            throw new IllegalArgumentException("weighed gradient: " + tokenWeights.length + " weights for a batch of "
                    + batch.tokenCount() + " tokens");
        }
        return token("weighed gradient", batch, LetheNative.LETHE_NEXT_TOKEN(), weights.of(tokenWeights), MemorySegment.NULL, 0,
                accumulate);
    }

    /**
     * As {@link #klGradient} toward the reference's prediction with {@code penalty} taken off the logit of each target:
     * UNDIAL's teacher (Dong et al. 2024, arXiv 2402.10052).
     *
     * @param penalty nats, at least 0
     */
    public double[] dampenedGradient(Batch batch, LanguageModel reference, double penalty, boolean accumulate) {
        return token("dampened gradient", batch, LetheNative.LETHE_TOWARD(), MemorySegment.NULL, reference.handle(),
                penalty, accumulate);
    }

    /**
     * Gradient of sum over b of weight[b] times the mean over record b's targets of (largest logit - mean logit)²: the forget
     * loss of PDU (Entesari et al. 2025, arXiv 2506.05314). Which token a target is does not matter.
     *
     * @return those means, [B]; 0 for a record without targets
     */
    public double[] flatGradient(Batch batch, boolean accumulate) {
        return token("flat gradient", batch, LetheNative.LETHE_FLATNESS(), MemorySegment.NULL, MemorySegment.NULL, 0,
                accumulate);
    }

    private double[] token(String operation, Batch batch, int kind, MemorySegment each, MemorySegment reference,
            double penalty, boolean accumulate) {
        batch.requireTargets(operation);
        lethe_token_loss.kind(tokenLoss, kind);
        lethe_token_loss.accumulate(tokenLoss, accumulate ? 1 : 0);
        lethe_token_loss.weights(tokenLoss, each);
        lethe_token_loss.reference(tokenLoss, reference);
        lethe_token_loss.penalty(tokenLoss, penalty);
        MemorySegment out = values.doubles(batch.records());
        MemorySegment in = nativeBatch.fill(batch);
        calls.done(operation, LetheNative.lethe_model_token_gradient(model, in, tokenLoss, out, cancel.lowered(),
                calls.begin()));
        return Scratch.read(out, 0, batch.records());
    }

    /**
     * Gradient of sum over b of weight[b] times the mean over record b's targets of KL(q || p), q the reference's
     * prediction and p this model's: the regulariser of KL minimisation (Maini et al. 2024, arXiv 2401.06121). Which
     * token a target is does not matter. Memory of the logits does not grow with the batch.
     *
     * @param accumulate whether to add to the gradient buffer instead of overwriting it
     * @return mean KL of each record, [B]; 0 for one without targets
     * @throws EngineException NOT_FINITE when a divergence is not finite
     */
    public double[] klGradient(Batch batch, LanguageModel reference, boolean accumulate) {
        batch.requireTargets("KL gradient");
        MemorySegment out = values.doubles(batch.records());
        MemorySegment in = nativeBatch.fill(batch);
        calls.done("KL gradient", LetheNative.lethe_model_kl_gradient(model, in, reference.handle(),
                accumulate ? 1 : 0, out, cancel.lowered(), calls.begin()));
        return Scratch.read(out, 0, batch.records());
    }

    /**
     * Gradient of sum over b of weight[b] times the mean over all of record b's tokens, with a target or without, and
     * over channels of (h - t)²; h [T, C] is the residual stream after a block. The forget loss of RMU (Li et al. 2024,
     * arXiv 2403.03218, equation 1) with t = c u. Only the blocks up to that one run; what lies above has no gradient.
     *
     * @param block      counts from 0
     * @param toward     t, [C], at every token
     * @param accumulate whether to add to the gradient buffer instead of overwriting it
     * @return mean square of each record, [B]
     * @throws EngineException NOT_FINITE when a mean square is not finite
     */
    public double[] hiddenGradient(Batch batch, int block, double[] toward, boolean accumulate) {
        if (toward.length != shape.channels()) {
            throw new IllegalArgumentException("hidden gradient: the target has " + toward.length
                    + " elements, the model has " + shape.channels() + " channels");
        }
        return hidden(batch, block, targets.of(toward), MemorySegment.NULL, accumulate);
    }

    /** As the other form with the reference's hidden states after the same block as t: RMU's retain loss (equation 2). */
    public double[] hiddenGradient(Batch batch, int block, LanguageModel reference, boolean accumulate) {
        return hidden(batch, block, MemorySegment.NULL, reference.handle(), accumulate);
    }

    private double[] hidden(Batch batch, int block, MemorySegment toward, MemorySegment reference,
            boolean accumulate) {
        MemorySegment out = values.doubles(batch.records());
        MemorySegment in = nativeBatch.fill(batch);
        calls.done("hidden gradient", LetheNative.lethe_model_hidden_gradient(model, in, block, toward, reference,
                accumulate ? 1 : 0, out, cancel.lowered(), calls.begin()));
        return Scratch.read(out, 0, batch.records());
    }
}
