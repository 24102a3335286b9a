package dev.lethe.shape;

/**
 * What training a model takes, as far as it can be known before the first step; bytes. On a device its own memory, on the
 * CPU the machine's.
 *
 * @param parameters    in the model's type
 * @param shadow        parameters in the compute type, where that is another
 * @param gradient      of the batch
 * @param moments       AdamW's two
 * @param activations   of the batch, what attention keeps included
 * @param head          logits of one chunk
 * @param capture       entries on the device
 * @param total         of all above
 * @param ring          pinned host memory on the way to the ledger
 * @param available     free on the device, or available on this machine, now
 * @param tokenBytes    of total, what another token takes
 * @param fittingTokens tokens a batch that fit into what is available; 0 = not even the model does
 */
public record MemoryPlan(long parameters, long shadow, long gradient, long moments, long activations, long head,
        long capture, long total, long ring, long available, long tokenBytes, long fittingTokens) {

    /**
     * Sizes of the largest batch of a training.
     *
     * @param records      B
     * @param tokens       of all its records
     * @param targets      tokens with a loss
     * @param captureBytes of its entries, 0 without capture
     * @param ringSlots    captures on their way at once, 0 without a ring
     */
    public record Request(long records, long tokens, long targets, long captureBytes, long ringSlots) {
    }

    /**
     * {@return this plan as it stands once the model is made: its parameters and gradient are no longer to be found}
     */
    public MemoryPlan whenMade() {
        long held = parameters + gradient;
        return new MemoryPlan(parameters, shadow, gradient, moments, activations, head, capture, total, ring,
                available + held, tokenBytes, tokenBytes == 0 ? 0 : fittingTokens + held / tokenBytes);
    }

    /** {@return whether the batch fits} */
    public boolean fits() {
        return total <= available;
    }
}
