package dev.lethe.influence;

import dev.lethe.ledger.EntryHeader;

/**
 * &lt;g_q, g_i&gt; of one ledger entry.
 *
 * @param entry  whose gradient g_i is
 * @param total  the sum over the sites
 * @param bySite [S] in the model's order, 0 where a site does not count; with a tied head, wte and lm_head are the two
 *               parts of one tensor's product
 */
public record EntryScore(EntryHeader entry, double total, double[] bySite) {}
