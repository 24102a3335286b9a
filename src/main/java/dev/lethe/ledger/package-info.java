/**
 * The ledger: an append-only, memory-mapped, checksummed store of captured per-record gradients.
 *
 * <p>A ledger is a folder of segments ({@code segment-000000.ledger}, ...) with a {@code manifest.json} and, after a
 * clean close, an {@code index}. One {@link dev.lethe.ledger.LedgerWriter} at a time appends; any number of
 * {@link dev.lethe.ledger.GradientLedger} read. What a payload means is native code's business: here it is bytes.
 * Gradients give records away, so a ledger is personal data: see {@link dev.lethe.ledger.Destruction#destroy}.
 *
 * <p>May import {@code dev.lethe.engine} and nothing else of Lethe.
 */
package dev.lethe.ledger;
