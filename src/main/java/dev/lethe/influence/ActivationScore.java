package dev.lethe.influence;

/**
 * The activation-gradient product of one example: sum over tokens of &lt;y, dL/dy&gt; at each site's output y.
 *
 * @param id     of the record
 * @param bySite [S] in the model's order
 */
public record ActivationScore(String id, double total, double[] bySite) {}
