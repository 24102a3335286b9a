/**
 * Training: from records and a model to a run folder, with the gradients of chosen epochs captured into a ledger on the
 * way. Owns the layout of a run folder, the loop, its checkpoints and the fine-tuning steps that an erasure repeats.
 * May import ledger, data, model and engine; nothing here prints, and no MemorySegment appears in a public signature.
 */
package dev.lethe.train;
