/*
 * What is measured of one model: losses of the three sets, then whatever groups of metrics the spec asks for. Every number
 * goes into a flat map under the names of CellResult; each record's own values go into distributions. Leaves out what
 * needs a second model's numbers, which Comparison adds.
 */
package dev.lethe.sweep;

import dev.lethe.data.PerturbedDataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.LanguageModel;
import dev.lethe.eval.Continuations;
import dev.lethe.eval.Evaluator;
import dev.lethe.eval.TofuEvaluation;
import dev.lethe.eval.TofuEvaluation.ModelUtility;
import dev.lethe.eval.TofuEvaluation.TofuRecord;
import dev.lethe.eval.TofuEvaluation.TofuScores;
import dev.lethe.eval.TofuSets;
import dev.lethe.model.Tokenizer;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.Evaluation;
import dev.lethe.results.RecordMetric;
import dev.lethe.settings.TrainConfig;
import dev.lethe.spec.Spec;
import dev.lethe.spec.Spec.Metrics;
import dev.lethe.strategy.RelearnProbe;
import dev.lethe.text.Copies;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/** Measures models of one study on one forget set. Belongs to the thread of its models. */
final class Measurement {
    private static final long SAMPLE_SEED = 1;

    private final Spec spec;
    private final StudyData data;
    private final Tokenizer tokenizer;
    private final List<TextRecord> forget;
    private final List<TextRecord> retain;
    private final List<TextRecord> sample;
    private final List<TextRecord> tofuSample; // those of the retain records that have wrong answers

    /** What came of it, growing. */
    static final class Numbers {
        final Map<String, Double> metrics = new LinkedHashMap<>();
        final Map<String, double[]> distributions = new LinkedHashMap<>();

        void put(String name, double value) {
            if (Double.isFinite(value)) {
                metrics.put(name, value);
            }
        }
    }

    Measurement(Spec spec, StudyData data, Tokenizer tokenizer, Set<String> forgotten) {
        this.spec = spec;
        this.data = data;
        this.tokenizer = tokenizer;
        this.forget = data.learned().filter(record -> forgotten.contains(record.id())).records();
        this.retain = data.learned().filter(record -> !forgotten.contains(record.id())).records();
        List<TextRecord> shuffled = new ArrayList<>(retain);
        Collections.shuffle(shuffled, new Random(SAMPLE_SEED));
        this.sample = first(shuffled);
        this.tofuSample = first(shuffled.stream().filter(record -> data.perturbed().containsKey(record.id())).toList());
    }

    private List<TextRecord> first(List<TextRecord> records) {
        return records.subList(0, Math.min(spec.measure().retainSample(), records.size()));
    }

    boolean asks(Metrics metrics) {
        return spec.measure().metrics().contains(metrics.label());
    }

    /** Adds everything asked for of one model, the cheapest first; its weights are the same afterwards. */
    void all(LanguageModel model, Numbers numbers) {
        sequence(model, numbers);
        if (asks(Metrics.RELEARN)) {
            numbers.put("relearn.loss", relearned(model, encode(model, Copies.distinct(forget))));
        }
    }

    /** What is followed over a sequence of requests: losses, answers, utility. */
    void sequence(LanguageModel model, Numbers numbers) {
        losses(model, numbers);
        baseText(model, numbers);
        if (asks(Metrics.ROUGE)) {
            numbers.put("forget.rougeL", rouge(model, forget, "rougeL.forget", numbers));
            numbers.put("retain.rougeL", rouge(model, sample, "rougeL.retain", numbers));
        }
        if (asks(Metrics.TOFU) && !data.perturbed().isEmpty()) {
            tofu(model, numbers);
        }
    }

    /** Losses of every record, memorisation, and attacks, which cost nothing more. */
    void losses(LanguageModel model, Numbers numbers) {
        Evaluation forgotten = evaluate(model, forget, "forget", numbers);
        evaluate(model, retain, "retain", numbers);
        Evaluation strangers = evaluate(model, data.heldOut().records(), "heldout", numbers);
        if (asks(Metrics.MIA)) {
            RecordMetric.attacks().forEach(attack -> numbers.put("mia." + attack.label(), forgotten.auc(attack, strangers)));
        }
    }

    /** How well it still knows what its base was trained on, and text like that. */
    private void baseText(LanguageModel model, Numbers numbers) {
        if (data.baseText() != null) {
            numbers.put("base_text.loss", loss(model, data.baseText().sampleOfHeldOut()));
            numbers.put("base_text.learned_loss", loss(model, data.baseText().sampleOfLearned()));
        }
    }

    private double loss(LanguageModel model, List<TextRecord> records) {
        return new Evaluator().evaluate(model, encode(model, records)).meanLoss();
    }

    private Evaluation evaluate(LanguageModel model, List<TextRecord> records, String name, Numbers numbers) {
        Evaluation evaluation = new Evaluator().withMinK(spec.measure().minK()).evaluate(model, encode(model, records),
                example -> tokenizer.decode(example.saidTokens(tokenizer.endOfText())));
        numbers.put(name + ".loss", evaluation.meanLoss());
        numbers.put(name + ".perplexity", evaluation.perplexity());
        evaluation.means().forEach((metric, mean) -> numbers.put(name + "." + metric.label(), mean));
        numbers.distributions.put("loss." + name, evaluation.values(RecordMetric.LOSS));
        return evaluation;
    }

    private double rouge(LanguageModel model, List<TextRecord> records, String name, Numbers numbers) {
        List<Continuations.Continuation> said = Continuations.greedy(model, encode(model, records), tokenizer::decode,
                tokenizer.endOfText(), spec.measure().answerTokens());
        numbers.distributions.put(name, values(Continuations.scored(said), one -> one.stemmed().rougeL().recall()));
        return Continuations.meanRougeLRecall(said);
    }

    private void tofu(LanguageModel model, Numbers numbers) {
        TofuEvaluation evaluation = new TofuEvaluation(model, tokenizer, new Evaluator(), spec.measure().answerTokens());
        TofuScores scores = evaluation.evaluate(new TofuSets(perturbed(forget), perturbed(tofuSample), data.realAuthors(),
                data.worldFacts()));
        if (scores.forget() != null) {
            numbers.put("forget.truth_ratio", scores.forget().truthRatio());
            numbers.put("forget.truth_share", scores.forget().truthShare());
            numbers.put("forget.probability", scores.forget().probability());
            numbers.put("forget.paraphrase_rougeL", scores.forget().paraphraseRougeLRecall());
            numbers.put("forget.perturbed_rougeL", scores.forget().perturbedRougeLRecall());
            numbers.distributions.put("truth_ratio.forget", scores.forget().truthRatios());
        }
        if (scores.retain() != null) {
            numbers.put("retain.truth_ratio", scores.retain().truthRatio());
            numbers.put("retain.probability", scores.retain().probability());
            numbers.put("retain.answer_rougeL", scores.retain().rougeLRecall());
            numbers.put("retain_utility", ModelUtility.of(scores.retain(), null, null).value());
            numbers.put("model_utility", scores.modelUtility().value());
            numbers.distributions.put("truth_ratio.retain", values(scores.retain().records(), TofuRecord::truthRatio));
        }
    }

    /** Null when none of the records has wrong answers. */
    private PerturbedDataset perturbed(List<TextRecord> records) {
        List<PerturbedDataset.PerturbedRecord> found = records.stream().map(record -> data.perturbed().get(record.id()))
                .filter(Objects::nonNull).toList();
        return found.isEmpty() ? null : new PerturbedDataset(data.learned().path(), found);
    }

    private List<Example> encode(LanguageModel model, List<TextRecord> records) {
        return RunExamples.encode(tokenizer, model.shape(), records);
    }

    private static <T> double[] values(List<T> records, ToDoubleFunction<T> value) {
        return records.stream().mapToDouble(value).toArray();
    }

    /**
     * Mean token loss of forgotten records after a few steps on others of them (benign relearning, arXiv 2406.13356), NaN with fewer than
     * two. Beside the retrained model's it is a share: 1 = as hard to bring back as if it had never been learned.
     */
    private double relearned(LanguageModel model, List<Example> forgotten) {
        TrainConfig config = spec.training().config();
        AdamW optimizer = FineTune.optimizer(config).withLearningRate(spec.relearn().rate() * config.learningRate());
        int shown = Math.min((int) Math.ceil(spec.relearn().share() * forgotten.size()), forgotten.size() - 1);
        return new RelearnProbe(model, spec.relearn().steps(), optimizer).loss(forgotten, shown);
    }
}
