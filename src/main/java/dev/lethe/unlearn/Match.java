package dev.lethe.unlearn;

/**
 * A record that answers a query.
 *
 * @param recordId its id
 * @param score 0..100; 100 for ids, subjects and exact text, the token-set similarity for fuzzy text
 * @param reason why it matched, for a person to read
 */
public record Match(String recordId, double score, String reason) {}
