package dev.lethe.influence;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.ParameterVector;
import java.util.Random;
import java.util.stream.LongStream;

/**
 * The slow, obvious operator: V diag(values) V^T with a known orthonormal V over a model's parameters (gaps excluded),
 * multiplied out in plain loops.
 */
final class Dense implements LinearOperator {
    final int n;
    final double[] values;   // [n] eigenvalues, as given
    final double[] vectors;  // [n, n], row i belongs to values[i]
    private final int[] places;
    int products;

    Dense(LanguageModel model, double[] values, long seed) {
        n = values.length;
        this.values = values;
        places = model.tensors().stream()
                .flatMapToLong(t -> LongStream.range(t.offset(), t.offset() + t.count())).limit(n)
                .mapToInt(Math::toIntExact).toArray();
        if (places.length != n) throw new IllegalArgumentException(n + " eigenvalues for " + places.length);
        Random random = new Random(seed);
        double[] symmetric = new double[n * n];
        for (int i = 0; i < n; i++)
            for (int j = 0; j <= i; j++) symmetric[i * n + j] = symmetric[j * n + i] = random.nextGaussian();
        Engine.eigen(symmetric, n); // its eigenvectors are as random as it is
        vectors = symmetric;
    }

    static int parameters(LanguageModel model) {
        return (int) model.tensors().stream().mapToLong(TensorInfo::count).sum();
    }

    @Override
    public void apply(ParameterVector in, ParameterVector out) {
        products++;
        put(out, function(take(in), value -> value));
    }

    /** f(A) x. */
    double[] function(double[] x, java.util.function.DoubleUnaryOperator f) {
        double[] y = new double[n];
        for (int i = 0; i < n; i++) {
            double dot = 0;
            for (int j = 0; j < n; j++) dot += vectors[i * n + j] * x[j];
            dot *= f.applyAsDouble(values[i]);
            for (int j = 0; j < n; j++) y[j] += dot * vectors[i * n + j];
        }
        return y;
    }

    double[] take(ParameterVector vector) {
        double[] flat = vector.readDoubles(0, (int) vector.size());
        double[] x = new double[n];
        for (int i = 0; i < n; i++) x[i] = flat[places[i]];
        return x;
    }

    void put(ParameterVector vector, double[] x) {
        double[] flat = new double[(int) vector.size()];
        for (int i = 0; i < n; i++) flat[places[i]] = x[i];
        vector.writeDoubles(0, flat);
    }
}
