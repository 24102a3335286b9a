package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Curvature.Matrix;
import dev.lethe.engine.Engine;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.ConjugateGradient.Solution.NotConvergedException;
import dev.lethe.influence.ConjugateGradient.Solution.Stop;
import dev.lethe.influence.CurvedQuery.CurvatureOperator;
import dev.lethe.influence.CurvedQuery.CurvatureOptions;
import dev.lethe.influence.CurvedQuery.StableRanking;
import dev.lethe.influence.InfluenceQuery.QueryVector;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.SiteSet;
import dev.lethe.shape.Tolerance;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What the ledger is multiplied with, against the dense matrix of a small block and an elimination. */
@ExtendWith(NoLeaks.class)
class CurvedQueryTest {
    private static final ModelShape SHAPE = new ModelShape(20, 12, 8, 2, 1, 16, 1e-5, true);
    private static final double DAMPING = 0.05;

    private Engine engine;
    private LanguageModel model;
    private SiteSet sites;
    private List<Example> records;
    private List<double[]> gradients;
    private final List<String> told = new ArrayList<>();

    @BeforeEach
    void make() {
        engine = Engine.cpu();
        model = engine.model(SHAPE, Dtype.F64);
        model.initialize(3);
        sites = model.sites("h.0.mlp.c_proj");
        SplittableRandom random = new SplittableRandom(5);
        records = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            int[] tokens = random.ints(4 + i, 0, 20).toArray();
            records.add(new Example("r" + i, i, tokens, random.ints(tokens.length, 0, 20).toArray(), false));
        }
        gradients = records.stream().map(this::gradient).toList();
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    private double[] gradient(Example record) {
        model.gradient(BatchPlan.batch(List.of(record), new int[] {0}));
        try (ParameterVector vector = model.buffer(Buffer.GRADIENT).copy()) {
            return vector.readDoubles(sites);
        }
    }

    private CurvedQuery query(Matrix matrix, double damping) {
        return new CurvedQuery(model, sites, records, new CurvatureOptions(matrix, damping, 1e-10, 4000), told::add);
    }

    private KroneckerFactors factors() {
        return new FactorFit(new FactorFit.Options(sites, KroneckerFactors.Fisher.SAMPLED, true, 0, 8, 0),
                FactorFit.Listener.NONE).fit(model, records);
    }

    /** What the last solve told. */
    private int iterations() {
        return Integer.parseInt(told.getLast().replaceAll(".* after (\\d+) iterations.*", "$1"));
    }

    /** The block of C over the sites, column by column. */
    private double[][] dense(Matrix matrix) {
        Batch all = BatchPlan.batch(records, new int[] {0, 1, 2, 3, 4, 5});
        CurvatureOperator operator = new CurvatureOperator(model, matrix, List.of(all), sites);
        List<double[]> columns = new ArrayList<>();
        try (ParameterVector unit = model.vector(); ParameterVector product = model.vector()) {
            for (TensorInfo tensor : model.tensors())
                if (sites.contains(tensor.site()))
                    for (long i = tensor.offset(); i < tensor.offset() + tensor.count(); i++) {
                        unit.scale(0);
                        unit.writeDoubles(i, new double[] {1});
                        operator.apply(unit, product);
                        columns.add(product.readDoubles(sites));
                    }
        }
        return columns.toArray(double[][]::new);
    }

    private double[] along(QueryVector vector) {
        try (ParameterVector v = vector.of(new InfluenceQuery("q", records.subList(0, 1)))) {
            return v.readDoubles(sites);
        }
    }

    @Test
    void theProductIsTheHessians() {
        double[][] h = dense(Matrix.HESSIAN);
        double[] expected = new double[h.length];
        for (int i = 0; i < h.length; i++)
            for (int j = 0; j < h.length; j++) expected[i] += h[j][i] * gradients.getFirst()[j];
        Tolerance.near("hvp", expected, along(query(Matrix.GAUSS_NEWTON, DAMPING).product()), 1e-9);
    }

    @Test
    void conjugateGradientsGiveTheDampedInverse() {
        for (Matrix matrix : Matrix.values()) {
            double damping = matrix == Matrix.HESSIAN ? 20 : DAMPING; // above minus the Hessian's smallest eigenvalue
            double[] expected = solve(dense(matrix), damping, gradients.getFirst());
            Tolerance.near("cg " + matrix, expected, along(query(matrix, damping).conjugateGradient(null, null)), 1e-8);
            try (QueryVector preconditioned = query(matrix, damping).conjugateGradient(factors(), null)) {
                Tolerance.near("cg behind factors " + matrix, expected, along(preconditioned), 1e-8);
            }
        }
    }

    @Test
    void factorsSpareIterations() {
        along(query(Matrix.GAUSS_NEWTON, 1e-3).conjugateGradient(null, null));
        int plain = iterations();
        try (QueryVector vector = query(Matrix.GAUSS_NEWTON, 1e-3).conjugateGradient(factors(), null)) {
            double[] once = along(vector);
            assertTrue(iterations() < plain, iterations() + " of " + plain);
            assertArrayEquals(once, along(vector), "the same again");
        }
    }

    @Test
    void aSolveEndsWhenTheFirstRecordsStand() {
        int[] looks = {0};
        Set<RecordKey> one = Set.of(RecordKey.of("a"));
        along(query(Matrix.GAUSS_NEWTON, DAMPING).conjugateGradient(null, v -> {
            looks[0]++;
            return one;
        }));
        int early = iterations();
        assertEquals(3, looks[0]);
        assertTrue(told.getLast().startsWith("q: the first records stand, residual 0."), told.getLast());
        along(query(Matrix.GAUSS_NEWTON, DAMPING).conjugateGradient(null, v -> Set.of(RecordKey.of("r" + looks[0]++))));
        assertTrue(told.getLast().startsWith("q: solved, "), told.getLast());
        assertTrue(early < iterations(), early + " of " + iterations());
    }

    @Test
    void nobodyLooksAboveTheLooseResidualAndALookThatDiffersCountsAnew() {
        List<String> names = List.of("a", "a", "b", "b", "a", "a", "a");
        int[] looks = {0};
        try (ParameterVector x = model.vector()) {
            StableRanking ranking = new StableRanking(v -> Set.of(RecordKey.of(names.get(looks[0]++))));
            assertFalse(ranking.enough(1, 0.9, x));
            assertEquals(0, looks[0]);
            for (int i = 2; i < 8; i++) assertFalse(ranking.enough(i, 0.1, x), "look " + i);
            assertTrue(ranking.enough(8, 0.1, x));
            assertEquals(names.size(), looks[0]);
        }
    }

    @Test
    void anIndefiniteOperatorWithoutDampingIsRefused() {
        QueryVector vector = query(Matrix.HESSIAN, 0).conjugateGradient(null, null);
        NotConvergedException refusal = assertThrows(NotConvergedException.class, () -> along(vector));
        assertEquals(Stop.NEGATIVE_CURVATURE, refusal.stop(), refusal.getMessage());
        assertTrue(refusal.getMessage().contains("Use the Gauss-Newton matrix"), refusal.getMessage());
    }

    @Test
    void theDefaultDampingFollowsTheSpectrum() {
        double[][] c = dense(Matrix.GAUSS_NEWTON);
        CurvedQuery query = new CurvedQuery(model, sites, records, CurvatureOptions.defaults(), told::add);
        double[] found = along(query.conjugateGradient(null, null));
        double least = Double.POSITIVE_INFINITY;
        for (double share = 0.005; share < 0.02; share *= 1.05) { // the eigenvalue is found to a tenth only
            double[] expected = solve(c, share * largest(c), gradients.getFirst());
            double distance = 0;
            for (int i = 0; i < found.length; i++) distance = Math.max(distance, Math.abs(found[i] - expected[i]));
            least = Math.min(least, distance);
        }
        double size = 0;
        for (double value : found) size = Math.max(size, Math.abs(value));
        assertTrue(least < 0.05 * size, least + " of " + size);
    }

    private static double largest(double[][] matrix) {
        double[] v = new SplittableRandom(1).doubles(matrix.length).toArray();
        double value = 0;
        for (int step = 0; step < 300; step++) {
            double[] next = new double[v.length];
            for (int i = 0; i < v.length; i++) for (int j = 0; j < v.length; j++) next[i] += matrix[i][j] * v[j];
            value = 0;
            for (double x : next) value += x * x;
            value = Math.sqrt(value);
            for (int i = 0; i < v.length; i++) v[i] = next[i] / value;
        }
        return value;
    }

    /** (A + damping I)^-1 b by elimination with pivots. */
    private static double[] solve(double[][] matrix, double damping, double[] b) {
        int n = b.length;
        double[][] a = new double[n][];
        for (int i = 0; i < n; i++) {
            a[i] = java.util.Arrays.copyOf(matrix[i], n + 1);
            a[i][i] += damping;
            a[i][n] = b[i];
        }
        for (int k = 0; k < n; k++) {
            int pivot = k;
            for (int i = k; i < n; i++) if (Math.abs(a[i][k]) > Math.abs(a[pivot][k])) pivot = i;
            double[] row = a[k];
            a[k] = a[pivot];
            a[pivot] = row;
            for (int i = k + 1; i < n; i++) {
                double factor = a[i][k] / a[k][k];
                for (int j = k; j <= n; j++) a[i][j] -= factor * a[k][j];
            }
        }
        double[] x = new double[n];
        for (int i = n - 1; i >= 0; i--) {
            x[i] = a[i][n];
            for (int j = i + 1; j < n; j++) x[i] -= a[i][j] * x[j];
            x[i] /= a[i][i];
        }
        return x;
    }
}
