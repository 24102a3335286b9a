/**
 * Training: from records and a model to a run folder, with the gradients of chosen epochs captured into a ledger on the
 * way. Owns the loop, its checkpoints and the fine-tuning steps that an erasure repeats; adopts models trained
 * elsewhere.
 *
 * <p>May import run, ledger, data, model, engine and below; nothing here prints, and no MemorySegment appears in a
 * public signature.
 */
package dev.lethe.train;
