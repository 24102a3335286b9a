package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.EngineException;
import dev.lethe.engine.Curvature.Matrix;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.SiteSet;
import dev.lethe.shape.Tolerance;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.CsvSource;

/** Curvature products against torch's autograd (src/test/golden/curvature.py), tied and untied, fp32 and fp64. */
@ExtendWith(NoLeaks.class)
@ParameterizedClass(name = "{0} {1}")
@CsvSource({"tied, F64", "untied, F64", "tied, F32", "untied, F32"})
class CurvatureTest {
    @Parameter(0)
    String name;
    @Parameter(1)
    Dtype dtype;

    private Golden golden; // weights and records
    private Golden curved; // directions, products and forms
    private Engine engine;
    private LanguageModel model;
    private final List<ParameterVector> owned = new ArrayList<>();

    @BeforeEach
    void open() {
        golden = Golden.of(name);
        curved = Golden.of("curvature-" + name);
        engine = Engine.cpu();
        model = golden.model(engine, dtype);
    }

    @AfterEach
    void close() {
        owned.forEach(ParameterVector::close);
        model.close();
        engine.close();
    }

    @Test
    void productsAndForms() {
        for (Matrix matrix : Matrix.values()) {
            List<ParameterVector> directions = List.of(direction(0), direction(1));
            List<ParameterVector> products = List.of(vector(), vector());
            Curvature.Result result = model.curvature(golden.batch(),
                    new Curvature(matrix, directions, products, false, null, true));
            near("losses", golden.doubles("losses"), result.losses());
            for (int k = 0; k < 2; k++) {
                String group = key(matrix) + k;
                near(group, curved.flat(group, model), flat(products.get(k)));
                for (ModelLayout.TensorInfo tensor : model.tensors()) {
                    near(group + " " + tensor.name(), curved.array(group + "/" + tensor.name()),
                            Golden.slice(flat(products.get(k)), tensor));
                }
                near("forms of " + group, forms(matrix, k), column(result.quadratic(), k));
            }
            double[][] alone = model.curvature(golden.batch(), Curvature.forms(matrix, directions, null)).quadratic();
            assertArrayEquals(result.quadratic(), alone, "forms without products");
        }
    }

    /** A record without targets adds nothing, wherever it stands. */
    @Test
    void silentRecord() {
        List<int[]> tokens = new ArrayList<>(golden.arrays("tokens"));
        List<int[]> targets = new ArrayList<>(golden.arrays("targets"));
        double[] weights = new double[tokens.size() + 1];
        System.arraycopy(golden.batch().weights(), 0, weights, 1, tokens.size());
        weights[0] = 3;
        tokens.addFirst(new int[] {1, 2, 3});
        targets.addFirst(new int[] {Batch.IGNORE, Batch.IGNORE, Batch.IGNORE});
        ParameterVector product = vector();
        Curvature.Result result = model.curvature(Batch.of(tokens, targets).withWeights(weights),
                new Curvature(Matrix.HESSIAN, List.of(direction(0)), List.of(product), false, null, true));
        near("product", curved.flat("hessian0", model), flat(product));
        assertEquals(0, result.quadratic()[0][0]);
    }

    /** A block over some sites: v counts as zero elsewhere, and so does the product. */
    @Test
    void block() {
        SiteSet sites = model.sites("embedding,ln_f,h.0.attn.c_attn");
        ParameterVector restricted = direction(0);
        double[] values = flat(restricted);
        ParameterVector full = vector();
        ParameterVector product = vector();
        boolean[] chosen = new boolean[values.length];
        for (ModelLayout.TensorInfo tensor : model.tensors()) {
            boolean inside = sites.contains(tensor.site());
            Arrays.fill(chosen, (int) tensor.offset(), (int) (tensor.offset() + tensor.count()), inside);
        }
        for (int i = 0; i < values.length; i++) {
            values[i] = chosen[i] ? values[i] : 0;
        }
        restricted.writeDoubles(0, values);
        model.curvature(golden.batch(), Curvature.product(Matrix.HESSIAN, restricted, full));
        model.curvature(golden.batch(),
                new Curvature(Matrix.HESSIAN, List.of(direction(0)), List.of(product), false, sites, false));
        double[] expected = flat(full);
        for (int i = 0; i < expected.length; i++) {
            expected[i] = chosen[i] ? expected[i] : 0;
        }
        near("block", expected, flat(product));
    }

    @Test
    void refusals() {
        ParameterVector v = direction(0);
        ParameterVector out = vector();
        assertMessage("curvature: no direction", () -> Curvature.forms(Matrix.HESSIAN, List.of(), null));
        assertMessage("curvature: 1 products for 2 directions",
                () -> new Curvature(Matrix.HESSIAN, List.of(v, v), List.of(out), false, null, false));
        assertMessage("curvature: neither products nor quadratic forms are asked for",
                () -> new Curvature(Matrix.HESSIAN, List.of(v), List.of(), false, null, false));
        assertMessage("curvature: the batch has no targets", () -> model.curvature(
                Batch.prompts(List.of(new int[] {1})), Curvature.product(Matrix.HESSIAN, v, out)));
        EngineException same = assertThrows(EngineException.class,
                () -> model.curvature(golden.batch(), Curvature.product(Matrix.HESSIAN, v, v)));
        assertEquals("curvature: curvature.products[0] is also a direction", same.getMessage());
        ParameterVector closed = model.vector();
        closed.close();
        assertThrows(IllegalStateException.class,
                () -> model.curvature(golden.batch(), Curvature.product(Matrix.HESSIAN, closed, out)));
        CompletionException wrong = assertThrows(CompletionException.class,
                () -> CompletableFuture.supplyAsync(v::handle).join());
        assertEquals(WrongThreadException.class, wrong.getCause().getClass());
    }

    private static void assertMessage(String expected, Executable call) {
        assertEquals(expected, assertThrows(IllegalArgumentException.class, call).getMessage());
    }

    private ParameterVector vector() {
        ParameterVector vector = model.vector();
        owned.add(vector);
        return vector;
    }

    private ParameterVector direction(int k) {
        ParameterVector vector = vector();
        vector.writeDoubles(0, curved.flat("direction" + k, model));
        return vector;
    }

    private double[] flat(ParameterVector vector) {
        return vector.readDoubles(0, (int) vector.size());
    }

    private double[] forms(Matrix matrix, int k) {
        return curved.numbers().get(key(matrix)).get(k).valueStream().mapToDouble(node -> node.asDouble()).toArray();
    }

    private static String key(Matrix matrix) {
        return matrix == Matrix.HESSIAN ? "hessian" : "gauss_newton";
    }

    private static double[] column(double[][] rows, int k) {
        return Arrays.stream(rows).mapToDouble(row -> row[k]).toArray();
    }

    private void near(String what, double[] expected, double[] actual) {
        Tolerance.near(what, expected, actual, Tolerance.parity(dtype));
    }
}
