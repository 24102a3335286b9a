package dev.lethe.eval;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.data.PerturbedDataset;
import dev.lethe.data.PerturbedDataset.PerturbedRecord;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.LanguageModel;
import dev.lethe.eval.TofuEvaluation.TofuSetScores;
import dev.lethe.eval.TofuSets.TofuSet;
import dev.lethe.metric.ForgetQuality;
import dev.lethe.metric.MetricValues;
import dev.lethe.metric.Rouge;
import dev.lethe.metric.TofuProbability;
import dev.lethe.metric.TruthRatio;
import dev.lethe.model.Tokenizer;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.Encoder;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * TOFU's evaluation (Maini et al. 2024, arXiv 2401.06121) with OpenUnlearning's definitions (memorization.py and utils.py in
 * its src/evals/metrics): probability, ROUGE-L recall of the greedy answer and truth ratio of each set, and model utility
 * (hm_aggregate in utility.py) over them. Every answer of a set, right and wrong, goes through the model in ragged batches;
 * one that occurs twice goes once. Use on the thread that owns the model.
 */
public final class TofuEvaluation {
    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final Evaluator evaluator;
    private final int answerTokens;

    public TofuEvaluation(LanguageModel model, Tokenizer tokenizer) {
        this(model, tokenizer, new Evaluator(), Continuations.ANSWER_TOKENS);
    }

    /**
     * @param evaluator    runs the batches and tells progress, in answers of a set
     * @param answerTokens the most tokens a greedy answer has, at least 1; fewer than {@link Continuations#ANSWER_TOKENS}
     *                     saves time on models that do not end their answers, and can only lower the recall
     */
    public TofuEvaluation(LanguageModel model, Tokenizer tokenizer, Evaluator evaluator, int answerTokens) {
        if (answerTokens < 1) {
            throw new IllegalArgumentException("tokens of an answer must be at least 1, got " + answerTokens);
        }
        this.model = model;
        this.tokenizer = tokenizer;
        this.evaluator = evaluator;
        this.answerTokens = answerTokens;
    }

    /**
     * Evaluates the sets that are there.
     *
     * @throws dev.lethe.base.BadInputException when a prompt alone fills the model's context
     */
    public TofuScores evaluate(TofuSets sets) {
        TofuSetScores retain = evaluate(TofuSet.RETAIN, sets.retain());
        TofuSetScores realAuthors = evaluate(TofuSet.REAL_AUTHORS, sets.realAuthors());
        TofuSetScores worldFacts = evaluate(TofuSet.WORLD_FACTS, sets.worldFacts());
        return new TofuScores(evaluate(TofuSet.FORGET, sets.forget()), retain, realAuthors, worldFacts,
                ModelUtility.of(retain, realAuthors, worldFacts));
    }

    private TofuSetScores evaluate(TofuSet set, PerturbedDataset data) {
        return data == null ? null : evaluate(set, data.records());
    }

    /** Evaluates one set. */
    public TofuSetScores evaluate(TofuSet set, List<PerturbedRecord> records) {
        Answers answers = new Answers(set, records);
        Encoder encoder = new Encoder(tokenizer::encode, tokenizer::chat, tokenizer.endOfText(),
                Math.toIntExact(model.shape().context()), TrainConfig.OnLong.TRUNCATE);
        List<Example> examples = encoder.encode(answers.texts);
        double[] losses = evaluator.losses(model, examples);
        double[] own = answers.pick(losses, answers.own);
        double[] right = answers.pick(losses, answers.right);
        double[][] wrong = answers.wrong(losses);
        MetricValues probability = set.learned() ? TofuProbability.of(own) : TofuProbability.amongOptions(own, wrong);
        MetricValues ratio = TruthRatio.of(right, wrong, set.aggregation());
        MetricValues share = TruthRatio.shares(right, wrong);
        List<Continuations.Continuation> greedy = Continuations.greedy(model,
                Arrays.stream(answers.own).mapToObj(examples::get).toList(), tokenizer::decode, tokenizer.endOfText(),
                answerTokens);
        List<TofuRecord> scores = new ArrayList<>(records.size());
        for (int i = 0; i < records.size(); i++) {
            PerturbedRecord record = records.get(i);
            Rouge.Scores answer = greedy.get(i).stemmed();
            String said = greedy.get(i).generated();
            scores.add(new TofuRecord(record.record().id(), own[i], probability.records()[i],
                    answer == null ? Double.NaN : answer.rougeL().recall(), ratio.records()[i], share.records()[i],
                    right[i], wrong[i],
                    record.paraphrase() == null ? Double.NaN : rougeLRecall(record.paraphrase(), said),
                    record.perturbed().stream().mapToDouble(other -> rougeLRecall(other, said))
                            .filter(recall -> !Double.isNaN(recall)).average().orElse(Double.NaN), said));
        }
        return TofuSetScores.of(probability.aggregate(), ratio.aggregate(), encoder.truncated(), scores);
    }

    private static double rougeLRecall(String reference, String said) {
        return Rouge.reads(reference) ? Rouge.score(reference, said, true).rougeL().recall() : Double.NaN;
    }

    /** The answers of a set as texts to score, each different one of a question once, and where each record's are. */
    private static final class Answers {
        final List<TextRecord> texts = new ArrayList<>();
        final int[] own;
        final int[] right;
        final int[][] wrong;

        Answers(TofuSet set, List<PerturbedRecord> records) {
            own = new int[records.size()];
            right = new int[records.size()];
            wrong = new int[records.size()][];
            for (int i = 0; i < own.length; i++) {
                PerturbedRecord record = records.get(i);
                if (set.learned() && record.paraphrase() == null) {
                    throw new IllegalArgumentException("record " + record.record().id() + " of the " + set.label()
                            + " set has no paraphrase");
                }
                Map<String, Integer> seen = new HashMap<>();
                own[i] = add(record, record.record().completion(), "answer", seen);
                right[i] = set.learned() ? add(record, record.paraphrase(), "paraphrase", seen) : own[i];
                wrong[i] = new int[record.perturbed().size()];
                for (int w = 0; w < wrong[i].length; w++) {
                    wrong[i][w] = add(record, record.perturbed().get(w), "perturbed " + w, seen);
                }
            }
        }

        private int add(PerturbedRecord record, String answer, String which, Map<String, Integer> seen) {
            return seen.computeIfAbsent(answer, text -> {
                texts.add(record.with(text, which));
                return texts.size() - 1;
            });
        }

        double[] pick(double[] losses, int[] at) {
            return Arrays.stream(at).mapToDouble(index -> losses[index]).toArray();
        }

        double[][] wrong(double[] losses) {
            return Arrays.stream(wrong).map(at -> pick(losses, at)).toArray(double[][]::new);
        }
    }

    /**
     * What a model makes of one question. Losses are mean token losses in nats, end of text included.
     *
     * @param id              the record's
     * @param loss            of the answer
     * @param probability     see {@link TofuProbability}: exp(-loss), or the share among the options
     * @param rougeLRecall    of the greedy answer against the record's, words stemmed; NaN where ROUGE cannot read the record's
     * @param truthRatio      see {@link TruthRatio}
     * @param truthShare      see {@link TruthRatio#shares}
     * @param rightLoss       of the truth ratio's right answer: the paraphrase, or the answer itself
     * @param perturbedLosses of the wrong answers
     * @param paraphraseRougeLRecall of the greedy answer against the paraphrase; NaN without one, or where ROUGE cannot read it
     * @param perturbedRougeLRecall  of the greedy answer against each wrong answer, mean over those that ROUGE can read
     * @param generated       the greedy answer
     */
    public record TofuRecord(String id, double loss, double probability, double rougeLRecall, double truthRatio,
                             double truthShare, double rightLoss, double[] perturbedLosses, double paraphraseRougeLRecall,
                             double perturbedRougeLRecall, String generated) {
        /** Mean over the wrong answers of exp(-loss): OpenUnlearning's Q_A_PERT_Prob. */
        double perturbedProbability() {
            return Arrays.stream(perturbedLosses).map(one -> Math.exp(-one)).average().orElse(Double.NaN);
        }
    }

    /**
     * TOFU's evaluation of one model. A set that was not given is null.
     *
     * @param modelUtility over the retain, real-author and world-fact parts that are there
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record TofuScores(TofuSetScores forget, TofuSetScores retain, TofuSetScores realAuthors, TofuSetScores worldFacts,
                             ModelUtility modelUtility) { }

    /**
     * TOFU's metrics of one set, and each record's. Names in brackets are those of OpenUnlearning's configs/eval/tofu_metrics,
     * SET standing for forget, retain, ra or wf.
     *
     * @param probability  mean of the records' (SET_Q_A_Prob; ra and wf: SET_Q_A_Prob_normalised)
     * @param rougeLRecall mean of the records', of those that have one (SET_Q_A_ROUGE)
     * @param truthRatio   the records' ratios folded by the set's {@link TruthRatio.Aggregation}, not their mean (SET_Truth_Ratio)
     * @param truthShare   mean of the records' (the same with aggregator prob_mean)
     * @param rightProbability mean of exp(-loss) of the truth ratio's right answers (SET_Q_A_PARA_Prob; ra and wf: SET_Q_A_Prob)
     * @param perturbedProbability mean of exp(-loss) of the wrong answers (SET_Q_A_PERT_Prob)
     * @param paraphraseRougeLRecall mean of the records' that have one (SET_Q_A_PARA_ROUGE); NaN without paraphrases
     * @param perturbedRougeLRecall  mean of the records' that have one (SET_Q_A_PERT_ROUGE)
     * @param truncated    how many answers were cut to the model's context
     * @param records      in the order of the file
     */
    public record TofuSetScores(double probability, double rougeLRecall, double truthRatio, double truthShare,
                                double rightProbability, double perturbedProbability, double paraphraseRougeLRecall,
                                double perturbedRougeLRecall, int truncated, List<TofuRecord> records) {
        public TofuSetScores {
            records = List.copyOf(records);
        }

        /** Means over the records; probability and the folded truth ratio, which are none of a record's value, are given. */
        static TofuSetScores of(double probability, double truthRatio, int truncated, List<TofuRecord> records) {
            return new TofuSetScores(probability, mean(records, TofuRecord::rougeLRecall), truthRatio,
                    mean(records, TofuRecord::truthShare), mean(records, record -> Math.exp(-record.rightLoss())),
                    mean(records, TofuRecord::perturbedProbability), mean(records, TofuRecord::paraphraseRougeLRecall),
                    mean(records, TofuRecord::perturbedRougeLRecall), truncated, records);
        }

        private static double mean(List<TofuRecord> records, ToDoubleFunction<TofuRecord> value) {
            return records.stream().mapToDouble(value).filter(one -> !Double.isNaN(one)).average().orElse(Double.NaN);
        }

        /** Each record's ratio, for {@link ForgetQuality}. */
        public double[] truthRatios() {
            return records.stream().mapToDouble(TofuRecord::truthRatio).toArray();
        }
    }

    /**
     * TOFU's model utility (Maini et al. 2024, arXiv 2401.06121): the harmonic mean of nine numbers, probability, ROUGE-L
     * recall and truth ratio of retain records, real authors and world facts. Where a set was not given the mean is over the
     * parts that are there, and {@code missing} names the others: such a value compares only with one of the same parts.
     *
     * @param value   harmonic mean, 0..1; 0 when a part is 0, NaN without parts
     * @param parts   by name, such as {@code retain.rouge_l_recall}
     * @param missing names of the parts of the nine that were not measured; empty for the field's model utility
     */
    public record ModelUtility(double value, Map<String, Double> parts, List<String> missing) {
        public ModelUtility {
            parts = Collections.unmodifiableMap(new LinkedHashMap<>(parts));
            missing = List.copyOf(missing);
        }

        /** Null stands for a set that was not measured. */
        public static ModelUtility of(TofuSetScores retain, TofuSetScores realAuthors, TofuSetScores worldFacts) {
            Map<String, Double> parts = new LinkedHashMap<>();
            List<String> missing = new ArrayList<>();
            add(parts, missing, TofuSet.RETAIN, retain);
            add(parts, missing, TofuSet.REAL_AUTHORS, realAuthors);
            add(parts, missing, TofuSet.WORLD_FACTS, worldFacts);
            return new ModelUtility(harmonicMean(parts.values()), parts, missing);
        }

        private static void add(Map<String, Double> parts, List<String> missing, TofuSet set, TofuSetScores scores) {
            for (String part : List.of("probability", "rouge_l_recall", "truth_ratio")) {
                String name = set.label() + "." + part;
                double value = scores == null ? Double.NaN : switch (part) {
                    case "probability" -> scores.probability();
                    case "rouge_l_recall" -> scores.rougeLRecall();
                    default -> scores.truthRatio();
                };
                if (Double.isNaN(value)) {
                    missing.add(name);
                } else {
                    parts.put(name, value);
                }
            }
        }

        /** n over the sum of 1/x; equal to scipy.stats.hmean, which refuses what is below 0 as this does. */
        static double harmonicMean(Iterable<Double> values) {
            double inverse = 0;
            int count = 0;
            for (double value : values) {
                if (value < 0) {
                    throw new IllegalArgumentException("harmonic mean of " + value + ", which is below 0");
                }
                inverse += 1 / value;
                count++;
            }
            return count == 0 ? Double.NaN : count / inverse;
        }
    }
}
