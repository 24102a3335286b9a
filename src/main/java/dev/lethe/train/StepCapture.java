/* How a step's gradients come into the ledger, as the training loop sees it. */
package dev.lethe.train;

import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.text.Example;
import java.util.List;

/**
 * Per gradient call {@link #begin}, the call, {@link #captured}; per step, after the weights have moved, {@link #commit}.
 * What is not committed is not in the ledger. One thread.
 */
interface StepCapture extends AutoCloseable {
    /**
     * Whose gradients a call captures.
     *
     * @param epoch   0-based, as the ledger has it
     * @param weights [B] of the records in the step's loss
     */
    record Order(List<Example> examples, int[] indices, int epoch, long step, double learningRate, double[] weights) { }

    Capture begin(Order order);

    void captured();

    void commit();

    /** Waits until everything committed is on the disk; returns the ledger's entries, all of which are. */
    int sync();

    @Override
    void close();
}
