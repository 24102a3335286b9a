package dev.lethe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.data.PerturbedDataset;
import dev.lethe.data.PerturbedDataset.PerturbedRecord;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.Generation;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.eval.TofuEvaluation.TofuScores;
import dev.lethe.eval.TofuEvaluation.TofuSetScores;
import dev.lethe.eval.TofuSets.TofuSet;
import dev.lethe.metric.Rouge;
import dev.lethe.model.Tokenizer;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Encoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** TOFU's evaluation against one text at a time through a tiny random model; its files' exact refusals. */
@ExtendWith(NoLeaks.class)
class TofuEvaluationTest {
    private static final int CONTEXT = 24;
    private static final int ANSWER_TOKENS = 5;
    private static final Tokenizer TOKENIZER = Tokenizer.gpt2();
    private static final String QUESTIONS = """
            {"id": "a", "prompt": "Who wrote it?", "completion": "Dave did.", "paraphrase": "It was Dave.", "perturbed": \
            ["Anna did.", "No one did at all."]}
            {"prompt": "Where?", "completion": "Paris", "paraphrase": "Paris", "perturbed": ["Rome", "Oslo", "Rome"]}

            {"id": 7, "prompt": "When?", "completion": "In the year of 1984.", "paraphrase": "1984", "perturbed": ["Never"]}
            """;

    @TempDir
    static Path folder;
    private static Engine engine;
    private static LanguageModel model;
    private static PerturbedDataset questions;

    @BeforeAll
    static void open() throws IOException {
        engine = Engine.cpu();
        model = engine.model(new ModelShape(TOKENIZER.vocabulary(), CONTEXT, 16, 2, 1, 32, 1e-5, true), Dtype.F64);
        model.initialize(4);
        float[] wte = model.buffer(Buffer.PARAMETERS).readFloats(0, 16 * TOKENIZER.vocabulary());
        for (int i = 0; i < wte.length; i++) {
            wte[i] *= 20; // so that answers differ in their loss
        }
        model.buffer(Buffer.PARAMETERS).writeFloats(0, wte);
        questions = PerturbedDataset.read(write("questions.jsonl", QUESTIONS), true);
    }

    @AfterAll
    static void close() {
        model.close();
        engine.close();
    }

    @Test
    void readsQuestionsWithTheirAnswers() {
        assertEquals(List.of(
                new PerturbedRecord(new TextRecord("a", null, "Who wrote it?", "Dave did."), "It was Dave.",
                        List.of("Anna did.", "No one did at all.")),
                new PerturbedRecord(new TextRecord("questions-2", null, "Where?", "Paris"), "Paris",
                        List.of("Rome", "Oslo", "Rome")),
                new PerturbedRecord(new TextRecord("7", null, "When?", "In the year of 1984."), "1984", List.of("Never"))),
                questions.records());
        assertEquals(1, questions.first(1).size());
        assertEquals(3, questions.first(9).size());
    }

    @Test
    void learnedSetsUseTheParaphraseAndPlainProbability() {
        TofuSetScores forget = new TofuEvaluation(model, TOKENIZER, new Evaluator(16, done -> { }), ANSWER_TOKENS)
                .evaluate(TofuSet.FORGET, questions.records());
        double folded = 0;
        double shares = 0;
        double perturbed = 0;
        for (int i = 0; i < questions.size(); i++) {
            PerturbedRecord question = questions.records().get(i);
            TofuEvaluation.TofuRecord score = forget.records().get(i);
            double own = loss(question, question.record().completion());
            double right = loss(question, question.paraphrase());
            double wrong = question.perturbed().stream().mapToDouble(answer -> loss(question, answer)).average().orElseThrow();
            assertEquals(question.record().id(), score.id());
            assertEquals(own, score.loss(), 1e-9);
            assertEquals(Math.exp(-own), score.probability(), 1e-9 * Math.exp(-own));
            double ratio = Math.exp(-wrong) / (Math.exp(-right) + 1e-10);
            assertEquals(ratio, score.truthRatio(), 1e-9 * ratio);
            folded += Math.min(ratio, 1 / (ratio + 1e-10)) / questions.size();
            assertEquals(question.perturbed().size(), score.perturbedLosses().length);
            int[] prompt = TOKENIZER.encode(question.record().prompt());
            int[] said = model.generate(List.of(prompt), Generation.greedy(ANSWER_TOKENS).withStopToken(TOKENIZER.endOfText()))[0];
            assertEquals(TOKENIZER.decode(said).strip(), score.generated());
            assertEquals(recall(question.record().completion(), score), score.rougeLRecall());
            assertEquals(recall(question.paraphrase(), score), score.paraphraseRougeLRecall());
            assertEquals(question.perturbed().stream().mapToDouble(other -> recall(other, score)).average().orElseThrow(),
                    score.perturbedRougeLRecall(), 1e-12);
            shares += Math.exp(-right) / (Math.exp(-right) + Math.exp(-wrong) + 1e-10) / questions.size();
            perturbed += question.perturbed().stream().mapToDouble(other -> Math.exp(-loss(question, other))).average()
                    .orElseThrow() / questions.size();
        }
        assertEquals(folded, forget.truthRatio(), 1e-12);
        assertEquals(shares, forget.truthShare(), 1e-12);
        assertEquals(perturbed, forget.perturbedProbability(), 1e-12);
        assertNotEquals(forget.records().getFirst().loss(), forget.records().getFirst().rightLoss());
        assertEquals(0, forget.truncated());
    }

    @Test
    void otherSetsUseTheAnswerItselfAmongItsOptions() {
        TofuScores scores = new TofuEvaluation(model, TOKENIZER)
                .evaluate(new TofuSets(questions, null, null, questions.first(2)));
        TofuSetScores facts = scores.worldFacts();
        for (int i = 0; i < 2; i++) {
            PerturbedRecord question = questions.records().get(i);
            double right = Math.exp(-loss(question, question.record().completion()));
            double wrong = question.perturbed().stream().mapToDouble(answer -> Math.exp(-loss(question, answer))).sum();
            assertEquals(right / (right + wrong + 1e-10), facts.records().get(i).probability(), 1e-9);
            assertEquals(facts.records().get(i).loss(), facts.records().get(i).rightLoss());
        }
        assertEquals(6, scores.modelUtility().missing().size());
        assertEquals(facts.truthRatio(), scores.modelUtility().parts().get("world_facts.truth_ratio"));
        assertNull(scores.retain());
    }

    @Test
    void refusesWhatAnEvaluationSetLacks() throws IOException {
        Path file = write("bad.jsonl", """
                {"prompt": "p", "completion": "c", "perturbed": ["w"]}
                {"prompt": "p", "completion": "c", "paraphrase": "x"}
                {"prompt": "p", "completion": "c", "paraphrase": "x", "perturbed": "w"}
                {"prompt": "p", "completion": "c", "paraphrase": "x", "perturbed": []}
                {"prompt": "p", "completion": "c", "paraphrase": 3, "perturbed": ["w", ""]}
                {"text": "t", "paraphrase": "x", "perturbed": ["w"]}
                []
                """);
        assertEquals(String.join("\n",
                file + ":1: no \"paraphrase\": the truth ratio of learned records needs the answer in other words",
                file + ":2: no \"perturbed\": give a list of wrong answers",
                file + ":3: \"perturbed\" is a string, must be a list of wrong answers, at least one",
                file + ":4: \"perturbed\" is an empty list, must be a list of wrong answers, at least one",
                file + ":5: \"paraphrase\" is a number, must be a string",
                file + ":5: \"perturbed[1]\" is empty",
                file + ":6: has text but no \"prompt\" and \"completion\"; an evaluation set is of questions and answers",
                file + ":7: not a JSON object but an array; a line is {\"prompt\": …, \"completion\": …, \"paraphrase\": …,"
                        + " \"perturbed\": […]}"),
                assertThrows(RuntimeException.class, () -> PerturbedDataset.read(file, true)).getMessage());
        assertEquals(file + ":2: id \"a\" is already that of line 1", assertThrows(RuntimeException.class,
                () -> PerturbedDataset.read(write("bad.jsonl", ("{\"id\": \"a\", \"prompt\": \"p\", \"completion\": \"c\","
                        + " \"perturbed\": [\"w\"]}\n").repeat(2)), false)).getMessage());
        assertEquals(file + ": no records in it", assertThrows(RuntimeException.class,
                () -> PerturbedDataset.read(write("bad.jsonl", "\n"), false)).getMessage());
        assertThrows(IllegalArgumentException.class, () -> new TofuEvaluation(model, TOKENIZER).evaluate(TofuSet.FORGET,
                List.of(new PerturbedRecord(new TextRecord("a", null, "p", "c"), null, List.of("w")))));
    }

    private static double recall(String reference, TofuEvaluation.TofuRecord score) {
        return Rouge.score(reference, score.generated(), true).rougeL().recall();
    }

    private static double loss(PerturbedRecord question, String answer) {
        return model.losses(BatchPlan.batch(encoder().encode(List.of(question.with(answer, "one"))), new int[] {0}))[0];
    }

    private static Encoder encoder() {
        return new Encoder(TOKENIZER::encode, TOKENIZER.endOfText(), CONTEXT, TrainConfig.OnLong.ERROR);
    }

    private static Path write(String name, String text) throws IOException {
        return Files.writeString(folder.resolve(name), text);
    }
}
