package dev.lethe.report;

import dev.lethe.data.Encoder;
import dev.lethe.data.Example;
import dev.lethe.data.OnLong;
import dev.lethe.data.Record;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.eval.Continuations;
import dev.lethe.eval.Continuations.Continuation;
import dev.lethe.eval.Evaluation;
import dev.lethe.eval.Evaluator;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.report.ReportData.Scores;
import dev.lethe.shape.Dtype;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What one model says about groups of records. */
record Answers(List<Evaluation> evaluations, List<List<Continuation>> continuations) {
    private static final int CONTINUED = 20;

    /** Loads a model folder, questions it about each group and closes it again. */
    static Answers of(Engine engine, Path folder, List<List<Record>> groups) {
        return Work.run("evaluation", () -> questioned(engine, folder, groups));
    }

    private static Answers questioned(Engine engine, Path folder, List<List<Record>> groups) {
        List<Evaluation> evaluations = new ArrayList<>();
        List<List<Continuation>> continuations = new ArrayList<>();
        try (Tokenizer tokenizer = Tokenizer.of(folder); LanguageModel model = Checkpoint.load(engine, folder, Dtype.F32)) {
            Encoder encoder = new Encoder(tokenizer::encode, tokenizer::chat, tokenizer.endOfText(),
                    Math.toIntExact(model.shape().context()), OnLong.TRUNCATE);
            for (List<Record> group : groups) {
                List<Example> examples = encoder.encode(group);
                evaluations.add(new Evaluator().evaluate(model, examples));
                continuations.add(Continuations.greedy(model, examples.subList(0, Math.min(CONTINUED, examples.size())),
                        tokenizer::decode, tokenizer.endOfText()));
            }
        }
        return new Answers(evaluations, continuations);
    }

    Scores scores(int group) {
        Evaluation evaluation = evaluations.get(group);
        return new Scores(evaluation.meanLoss(), evaluation.perplexity(), evaluation.exactMemorisation(),
                evaluation.extractionStrength(), Continuations.meanRougeLRecall(continuations.get(group)));
    }
}
