package dev.lethe.find;

/**
 * A record that answers a query.
 *
 * @param recordId its id
 * @param score 0..100; 100 for ids, subjects and exact text; the likeness for fuzzy text; for a near miss also the share of
 *              the letters looked for that are in place
 * @param reason why it matched, for a person to read
 */
public record Match(String recordId, double score, String reason) {}
