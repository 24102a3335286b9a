package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Curvature.Matrix;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.ConjugateGradient.Solution;
import dev.lethe.influence.CurvedQuery.CurvatureOperator;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Tolerance;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The operator over several batches: however they are cut it is the mean over all records, and solvers take it. */
class CurvatureOperatorTest {
    private static final double NEAR = 1e-12; // fp64

    private Engine engine;
    private LanguageModel model;
    private final List<int[]> tokens = List.of(new int[] {1, 2, 3, 4}, new int[] {5, 6}, new int[] {7, 8, 9, 1, 2});
    private final List<int[]> targets = tokens.stream().map(record -> Batch.shift(record, 0)).toList();

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(new ModelShape(11, 6, 8, 2, 1, 12, 1e-5, true), Dtype.F64);
        model.initialize(1);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    @Test
    void cutsDoNotMatter() {
        CurvatureOperator whole = operator(Matrix.HESSIAN, Batch.of(tokens, targets));
        CurvatureOperator cut = operator(Matrix.HESSIAN, batch(0, 2).withWeights(new double[] {5, 7}), batch(2, 3));
        try (ParameterVector v = direction(); ParameterVector expected = v.zeros(); ParameterVector actual = v.zeros()) {
            whole.apply(v, expected);
            cut.apply(v, actual);
            near("streamed", expected, actual);
        }
    }

    @Test
    void solves() {
        CurvatureOperator operator = operator(Matrix.GAUSS_NEWTON, batch(0, 1), batch(1, 3));
        ConjugateGradient cg = new ConjugateGradient(new ConjugateGradient.Options(0.1, 1e-8, 500));
        model.gradient(Batch.of(tokens, targets));
        try (ParameterVector g = model.buffer(Buffer.GRADIENT).copy(); ParameterVector back = g.zeros()) {
            try (Solution solution = cg.solve(operator, g)) {
                operator.apply(solution.x(), back);
                back.axpy(0.1, solution.x());
            }
            Tolerance.near("(C + 0.1 I) x", g.readDoubles(0, (int) g.size()), back.readDoubles(0, (int) g.size()), 1e-6);
        }
    }

    @Test
    void needsABatch() {
        assertEquals("curvature: no batch", assertThrows(IllegalArgumentException.class,
                () -> operator(Matrix.HESSIAN)).getMessage());
    }

    private CurvatureOperator operator(Matrix matrix, Batch... batches) {
        return new CurvatureOperator(model, matrix, List.of(batches), null);
    }

    private Batch batch(int from, int to) {
        return Batch.of(tokens.subList(from, to), targets.subList(from, to));
    }

    private ParameterVector direction() {
        ParameterVector v = model.buffer(Buffer.PARAMETERS).copy();
        model.gradient(batch(0, 1));
        try (ParameterVector g = model.buffer(Buffer.GRADIENT).copy()) {
            v.axpy(3, g);
        }
        return v;
    }

    private static void near(String what, ParameterVector expected, ParameterVector actual) {
        Tolerance.near(what, expected.readDoubles(0, (int) expected.size()), actual.readDoubles(0, (int) actual.size()),
                NEAR);
    }
}
