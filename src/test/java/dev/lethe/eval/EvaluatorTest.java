package dev.lethe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.metric.MembershipScores;
import dev.lethe.metric.Rouge;
import dev.lethe.results.Evaluation;
import dev.lethe.results.RecordMetric;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The evaluator against a slow obvious reading of a tiny random model's logits. */
class EvaluatorTest {
    private static final int VOCABULARY = 23;
    private static final int END = 0;
    private static Engine engine;
    private static LanguageModel model;
    private static List<Example> examples;

    @BeforeAll
    static void open() {
        engine = Engine.cpu();
        model = engine.model(new ModelShape(VOCABULARY, 12, 16, 2, 2, 32, 1e-5, true), Dtype.F64);
        model.initialize(4);
        float[] wte = model.buffer(Buffer.PARAMETERS).readFloats(0, VOCABULARY * 16);
        for (int i = 0; i < wte.length; i++) {
            wte[i] *= 40; // so that predictions differ from token to token
        }
        model.buffer(Buffer.PARAMETERS).writeFloats(0, wte);
        SplittableRandom random = new SplittableRandom(9);
        examples = new ArrayList<>();
        for (int i = 0; i < 9; i++) {
            int[] tokens = random.ints(3 + i, 1, VOCABULARY).toArray();
            int[] targets = Batch.shift(tokens, 2 + i % 2);
            targets[targets.length - 1] = END;
            examples.add(new Example("r" + i, i, tokens, targets, false));
        }
    }

    @AfterAll
    static void close() {
        model.close();
        engine.close();
    }

    @Test
    void scoresEqualWhatTheLogitsSay() {
        Evaluation evaluation = new Evaluator().evaluate(model, examples, example -> "text of " + example.id());
        for (int i = 0; i < examples.size(); i++) {
            Example example = examples.get(i);
            double[] logits = model.logits(Batch.of(List.of(example.tokens()), List.of(example.targets())));
            double loss = 0;
            int hits = 0;
            int last = 0;
            int count = 0;
            for (int t = 0; t < example.tokens().length; t++) {
                if (example.targets()[t] == Batch.IGNORE) {
                    continue;
                }
                double[] row = Arrays.copyOfRange(logits, t * VOCABULARY, (t + 1) * VOCABULARY);
                loss -= row[example.targets()[t]] - Math.log(Arrays.stream(row).map(Math::exp).sum());
                last = argmax(row) == example.targets()[t] ? 1 : 0;
                hits += last;
                count++;
            }
            Evaluation.RecordMeasures score = evaluation.records().get(i);
            assertEquals("r" + i, score.id());
            assertEquals(count, score.tokens());
            assertEquals(loss / count, score.loss(), 1e-9);
            assertEquals((double) (hits - last) / (count - 1), score.of(RecordMetric.EXACT_MEMORISATION), 1e-12, "without the end of text");
            assertEquals(score.loss() / MembershipScores.zlibBytes("text of r" + i), score.of(RecordMetric.ZLIB));
            assertTrue(score.of(RecordMetric.MIN_K) >= new Evaluator().withMinK(1).evaluate(model, List.of(example)).values(RecordMetric.MIN_K)[0],
                    "the least likely tokens lose most");
        }
    }

    @Test
    void aRecordsScoreDoesNotDependOnItsNeighbours() {
        Evaluation together = new Evaluator().evaluate(model, examples);
        Evaluation apart = new Evaluator(1, done -> { }).evaluate(model, examples);
        for (int i = 0; i < examples.size(); i++) {
            assertEquals(together.records().get(i).loss(), apart.records().get(i).loss(), 1e-12);
            assertEquals(together.values(RecordMetric.MIN_K_PLUS_PLUS)[i], apart.values(RecordMetric.MIN_K_PLUS_PLUS)[i], 1e-9);
        }
    }

    @Test
    void progressCountsRecordsAndAnInterruptStops() {
        List<Integer> heard = new ArrayList<>();
        new Evaluator(12, heard::add).evaluate(model, examples);
        assertEquals(examples.size(), heard.getLast());
        Thread.currentThread().interrupt();
        assertThrows(InterruptedWorkException.class, () -> new Evaluator().evaluate(model, examples));
        assertTrue(Thread.interrupted());
    }

    @Test
    void continuationsFollowTheLargestLogit() {
        List<Continuations.Continuation> all = Continuations.greedy(model, examples, EvaluatorTest::words, END, 0);
        for (int i = 0; i < examples.size(); i++) {
            Example example = examples.get(i);
            int[] wanted = Arrays.copyOf(example.targetTokens(), example.targetTokens().length - 1);
            int[] ids = example.promptTokens();
            int prompt = ids.length;
            while (ids.length < prompt + wanted.length && ids.length < 12) {
                double[] logits = model.logits(Batch.prompts(List.of(ids)));
                int next = argmax(Arrays.copyOfRange(logits, (ids.length - 1) * VOCABULARY, ids.length * VOCABULARY));
                if (next == END) {
                    break;
                }
                ids = Arrays.copyOf(ids, ids.length + 1);
                ids[ids.length - 1] = next;
            }
            assertEquals(words(wanted), all.get(i).reference());
            assertEquals(words(Arrays.copyOfRange(ids, prompt, ids.length)), all.get(i).generated());
            assertEquals(Rouge.score(all.get(i).reference(), all.get(i).generated(), true), all.get(i).stemmed());
        }
    }

    @Test
    void aContinuationInAnotherScriptHasNoRouge() {
        List<Continuations.Continuation> all = Continuations.greedy(model, examples,
                ids -> Arrays.stream(ids).mapToObj(id -> "\u84ee").collect(Collectors.joining()), END);
        assertTrue(all.stream().allMatch(one -> one.scores() == null && one.stemmed() == null));
        assertTrue(Double.isNaN(Continuations.meanRougeLRecall(all)));
        List<Continuations.Continuation> mixed = new ArrayList<>(Continuations.greedy(model, examples, EvaluatorTest::words, END));
        double mean = Continuations.meanRougeLRecall(mixed);
        mixed.addAll(all);
        assertEquals(mean, Continuations.meanRougeLRecall(mixed), "none of them counts as forgotten");
    }

    private static String words(int[] ids) {
        return Arrays.stream(ids).mapToObj(id -> "w" + id).collect(Collectors.joining(" "));
    }

    private static int argmax(double[] row) {
        int best = 0;
        for (int v = 1; v < row.length; v++) {
            best = row[v] > row[best] ? v : best;
        }
        return best;
    }
}
