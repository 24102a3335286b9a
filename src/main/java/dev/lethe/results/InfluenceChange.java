package dev.lethe.results;

import java.util.List;
import java.util.Map;

/**
 * How the influence of training records on the forget set's loss changed. A value is &lt;g_i, v&gt; with g_i the record's
 * first-epoch gradient and v the gradient of the forget set's mean loss at the weights before or after (the `dot` score),
 * or the sum over a site of &lt;y, dL/dy&gt; for the forget records (`act-grad`). The gradients of what has been forgotten are
 * large, and raw products grow with them: the cosine at a site says how alike the two still are.
 *
 * @param dot     one series a site and group
 * @param cosine  the same, &lt;g_i, v&gt; / (|g_i| |v|) at the site; a tied table chosen whole is one site, wte
 * @param actGrad one series a site; group "forget" only
 */
public record InfluenceChange(List<Series> dot, List<Series> cosine, List<Series> actGrad) {
    /**
     * Values of one site and group of records.
     *
     * @param site   the site's name
     * @param group  "forget" or "retain" (a sample)
     * @param before one value a record
     * @param after  the same records after the erasure
     */
    public record Series(String site, String group, double[] before, double[] after) { }

    /** {@return no influence measured: there was no ledger} */
    public static InfluenceChange none() {
        return new InfluenceChange(List.of(), List.of(), List.of());
    }

    /**
     * {@return mean of |value| by site over one group's records: {before, after}}
     *
     * @param group forget or retain
     */
    public Map<String, double[]> magnitude(String group) {
        Map<String, double[]> bySite = new java.util.LinkedHashMap<>();
        for (Series series : dot) {
            if (series.group().equals(group)) {
                bySite.put(series.site(), new double[] {meanMagnitude(series.before()), meanMagnitude(series.after())});
            }
        }
        return bySite;
    }

    private static double meanMagnitude(double[] values) {
        double sum = 0;
        for (double value : values) {
            sum += Math.abs(value);
        }
        return values.length == 0 ? Double.NaN : sum / values.length;
    }
}
