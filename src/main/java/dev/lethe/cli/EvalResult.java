package dev.lethe.cli;

import com.fasterxml.jackson.annotation.JsonAnyGetter;
import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.console.Terminal;
import dev.lethe.eval.Continuations;
import dev.lethe.eval.Continuations.Continuation;
import dev.lethe.eval.TofuEvaluation.ModelUtility;
import dev.lethe.eval.TofuEvaluation.TofuScores;
import dev.lethe.eval.TofuEvaluation.TofuSetScores;
import dev.lethe.metric.Rouge;
import dev.lethe.results.Evaluation;
import dev.lethe.results.Evaluation.RecordMeasures;
import dev.lethe.results.RecordMetric;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** What lethe eval found, as --json gives it and as a person reads it. */
@JsonInclude(JsonInclude.Include.NON_NULL)
record EvalResult(String run, double meanLoss, double perplexity, @JsonAnyGetter Map<RecordMetric, Double> means, long tokens,
                  int truncated, RougeMeans rouge, Map<RecordMetric, Double> membershipAuc, int nonMembers, TofuScores tofu,
                  AgainstReference besideReference, List<RecordMeasures> records, EvalResult reference) {
    /** Means over the records whose continuations have scores, how many those are and are not, and each of them. */
    record RougeMeans(int records, int unread, Rouge.Scores plain, Rouge.Scores stemmed,
                      List<Continuation> continuations) {
        static RougeMeans of(List<Continuation> all) {
            List<Continuation> scored = Continuations.scored(all);
            return all.isEmpty() ? null : new RougeMeans(scored.size(), all.size() - scored.size(),
                    mean(scored, Continuation::scores), mean(scored, Continuation::stemmed), all);
        }

        private static Rouge.Scores mean(List<Continuation> all, Function<Continuation, Rouge.Scores> of) {
            return new Rouge.Scores(mean(all, of, Rouge.Scores::rouge1), mean(all, of, Rouge.Scores::rouge2),
                    mean(all, of, Rouge.Scores::rougeL));
        }

        private static Rouge.Score mean(List<Continuation> all, Function<Continuation, Rouge.Scores> of,
                                        Function<Rouge.Scores, Rouge.Score> which) {
            ToDoubleFunction<ToDoubleFunction<Rouge.Score>> average = part ->
                    all.stream().map(of).map(which).mapToDouble(part).average().orElse(Double.NaN);
            return new Rouge.Score(average.applyAsDouble(Rouge.Score::precision), average.applyAsDouble(Rouge.Score::recall),
                    average.applyAsDouble(Rouge.Score::f));
        }
    }

    static EvalResult of(Path run, Evaluation evaluation, int truncated, List<Continuation> continuations,
                         Map<RecordMetric, Double> attacks, int nonMembers, TofuScores tofu) {
        return new EvalResult(run.toString(), evaluation.meanLoss(), evaluation.perplexity(), evaluation.means(),
                evaluation.tokens(), truncated, RougeMeans.of(continuations), attacks, nonMembers, tofu, null, evaluation.records(),
                null);
    }

    static Map<RecordMetric, Double> attacks(Evaluation members, Evaluation nonMembers) {
        Map<RecordMetric, Double> aucs = new EnumMap<>(RecordMetric.class);
        RecordMetric.attacks().forEach(attack -> aucs.put(attack, members.auc(attack, nonMembers)));
        return aucs;
    }

    /** @param other the reference's own result, or null */
    EvalResult beside(EvalResult other, AgainstReference comparison) {
        return new EvalResult(run, meanLoss, perplexity, means, tokens, truncated,
                rouge, membershipAuc, nonMembers, tofu, comparison, records, other);
    }

    void print(Terminal terminal) {
        if (reference != null) {
            terminal.print("%-32s %12s %12s", "", "run", "reference");
        }
        terminal.print("%-32s %,12d", "records", records.size());
        terminal.print("%-32s %,12d", "tokens with a loss", tokens);
        line(terminal, "mean token loss, nats", "%12.4f", EvalResult::meanLoss);
        line(terminal, "perplexity", "%12.2f", EvalResult::perplexity);
        means.keySet().forEach(metric -> line(terminal, metric.heading(), "%12.3f", result -> result.means.get(metric)));
        if (rouge != null) {
            line(terminal, "ROUGE-1 recall", "%12.3f", result -> result.rouge.stemmed().rouge1().recall());
            line(terminal, "ROUGE-2 recall", "%12.3f", result -> result.rouge.stemmed().rouge2().recall());
            line(terminal, "ROUGE-L recall", "%12.3f", result -> result.rouge.stemmed().rougeL().recall());
            if (rouge.unread > 0) {
                terminal.print("%-32s %,12d", "not in ROUGE, of other scripts", rouge.unread);
            }
        }
        for (RecordMetric attack : membershipAuc.keySet()) {
            line(terminal, "membership AUC, " + attack.label(), "%12.3f",
                    result -> result.membershipAuc.getOrDefault(attack, Double.NaN));
        }
        if (nonMembers > 0) {
            terminal.print("%-32s %,12d", "non-members compared with", nonMembers);
        }
        if (tofu != null) {
            tofu(terminal, "forget", TofuScores::forget);
            tofu(terminal, "retain", TofuScores::retain);
            tofu(terminal, "real authors", TofuScores::realAuthors);
            tofu(terminal, "world facts", TofuScores::worldFacts);
            ModelUtility utility = tofu.modelUtility();
            line(terminal, "TOFU model utility" + (utility.missing().isEmpty() ? "" : ", of " + utility.parts().size() + " parts"),
                    "%12.3f",
                    result -> result.tofu.modelUtility().value());
        }
        if (besideReference != null && besideReference.forgetQuality() != null) {
            terminal.print("%-32s %s", "TOFU forget quality, KS p",
                    number("%12.3g", besideReference.forgetQuality().pValue()));
        }
        if (besideReference != null && !Double.isNaN(besideReference.privleak())) {
            terminal.print("%-32s %s", "TOFU privleak" + (besideReference.reference() == null ? " beside AUC 0.5" : "") + ", %",
                    number("%12.2f", besideReference.privleak()));
        }
    }

    private void tofu(Terminal terminal, String set, Function<TofuScores, TofuSetScores> which) {
        if (which.apply(tofu) != null) {
            tofu(terminal, set + ", probability", which, TofuSetScores::probability);
            tofu(terminal, set + ", ROUGE-L recall", which, TofuSetScores::rougeLRecall);
            tofu(terminal, set + ", truth ratio", which, TofuSetScores::truthRatio);
        }
    }

    private void tofu(Terminal terminal, String name, Function<TofuScores, TofuSetScores> which, ToDoubleFunction<TofuSetScores> value) {
        line(terminal, "TOFU " + name, "%12.3f",
                result -> which.apply(result.tofu) == null ? Double.NaN : value.applyAsDouble(which.apply(result.tofu)));
    }

    private void line(Terminal terminal, String name, String format, ToDoubleFunction<EvalResult> value) {
        terminal.print("%-32s %s%s", name, number(format, value.applyAsDouble(this)),
                reference == null ? "" : " " + number(format, value.applyAsDouble(reference)));
    }

    private static String number(String format, double value) {
        return Double.isNaN(value) ? String.format(Locale.ROOT, "%12s", "–") : String.format(Locale.ROOT, format, value);
    }
}
