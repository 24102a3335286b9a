package dev.lethe.objective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.ParameterVector.Distribution;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.Example;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(NoLeaks.class)
class SubstitutesTest {
    private static final int NO = Batch.IGNORE;
    private static final Example ASKED = new Example("a", 0, new int[] {1, 2, 3, 4, 5}, new int[] {NO, NO, 4, 5, 0}, false);
    private static final Example OTHER = new Example("b", 1, new int[] {6, 7, 8}, new int[] {NO, 8, 0}, false);
    private static final Example TEXT = new Example("c", 2, new int[] {0, 1, 2, 3}, new int[] {1, 2, 3, 0}, false);
    private static final Example OTHER_TEXT = new Example("d", 3, new int[] {0, 5, 6}, new int[] {5, 6, 0}, false);

    @Test
    void onesQuestionWithTheOthersAnswer() {
        holds(Substitutes.joined(ASKED, OTHER, 1, 16), new int[] {1, 2, 3, 8}, new int[] {NO, NO, 8, 0});
    }

    @Test
    void cutToTheContext() {
        holds(Substitutes.joined(ASKED, OTHER, 1, 3), new int[] {1, 2, 3}, new int[] {NO, NO, 8});
        holds(Substitutes.joined(ASKED, OTHER, 1, 2), new int[] {1, 2}, new int[] {NO, 8});
    }

    @Test
    void textsAreCutWhereItIsSaid() {
        holds(Substitutes.joined(TEXT, OTHER_TEXT, 1, 16), new int[] {0, 5, 6}, new int[] {5, 6, 0});
        holds(Substitutes.joined(TEXT, OTHER_TEXT, 2, 16), new int[] {0, 1, 6}, new int[] {NO, 6, 0});
        holds(Substitutes.joined(TEXT, OTHER_TEXT, 4, 16), new int[] {0, 1, 2, 3}, new int[] {NO, NO, NO, 0}); // longer than the other
    }

    @Test
    void theGradientIsThatOfTheJoinedRecords() {
        try (Engine engine = Engine.cpu();
             LanguageModel model = engine.model(new ModelShape(11, 12, 8, 2, 2, 16, 1e-5, true), Dtype.F64)) {
            model.buffer(Buffer.PARAMETERS).random(Distribution.NORMAL, 1);
            model.gradient(WeightedLoss.batch(List.of(Substitutes.joined(ASKED, OTHER, 1, 12)), new double[] {0.5}));
            try (ParameterVector expected = model.buffer(Buffer.GRADIENT).copy()) {
                model.buffer(Buffer.GRADIENT).scale(0);
                new Substitutes(model, List.of(ASKED), List.of(OTHER), 4, 0).addGradient(0.5);
                model.buffer(Buffer.GRADIENT).axpy(-1, expected);
                assertTrue(model.buffer(Buffer.GRADIENT).dot(model.buffer(Buffer.GRADIENT)) < 1e-24 * expected.dot(expected));
            }
        }
    }

    private static void holds(Example joined, int[] tokens, int[] targets) {
        assertArrayEquals(tokens, joined.tokens());
        assertArrayEquals(targets, joined.targets());
    }
}
