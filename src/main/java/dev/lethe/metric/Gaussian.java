package dev.lethe.metric;

/**
 * A normal distribution fitted to a sample.
 *
 * @param deviation from n - 1; NaN for a sample of one
 */
record Gaussian(double mean, double deviation) {
    static Gaussian fit(double[] sample) {
        double mean = 0;
        for (double value : sample) {
            mean += value / sample.length;
        }
        double squares = 0;
        for (double value : sample) {
            squares += (value - mean) * (value - mean);
        }
        return new Gaussian(mean, sample.length < 2 ? Double.NaN : Math.sqrt(squares / (sample.length - 1)));
    }

    /** Log density without the constant -log(2 pi)/2, which a likelihood ratio does not see. */
    double logDensity(double value) {
        double z = (value - mean) / deviation;
        return -Math.log(deviation) - z * z / 2;
    }
}
