package dev.lethe.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.eval.ModelUtility;
import dev.lethe.eval.TofuRecord;
import dev.lethe.eval.TofuScores;
import dev.lethe.eval.TofuSetScores;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** TOFU's metrics of one model, as --json gives them; a set that was not there is absent. */
@JsonInclude(JsonInclude.Include.NON_NULL)
record TofuResult(SetMetrics forget, SetMetrics retain, SetMetrics realAuthors, SetMetrics worldFacts,
                  ModelUtility modelUtility) {
    /** See {@link TofuSetScores}. */
    record SetMetrics(double probability, double rougeLRecall, double truthRatio, double truthShare, double rightProbability,
                      double perturbedProbability, double paraphraseRougeLRecall, double perturbedRougeLRecall, int truncated,
                      List<TofuRecord> records) {
        static SetMetrics of(TofuSetScores set) {
            return set == null ? null : new SetMetrics(set.probability(), set.rougeLRecall(), set.truthRatio(), set.truthShare(),
                    set.rightProbability(), set.perturbedProbability(), set.paraphraseRougeLRecall(),
                    set.perturbedRougeLRecall(), set.truncated(), set.records());
        }
    }

    static TofuResult of(TofuScores scores) {
        return new TofuResult(SetMetrics.of(scores.forget()), SetMetrics.of(scores.retain()),
                SetMetrics.of(scores.realAuthors()), SetMetrics.of(scores.worldFacts()), scores.utility());
    }

    /** Tells {@code line} of every number that a person reads. */
    void lines(Line line) {
        set("forget", TofuResult::forget, line);
        set("retain", TofuResult::retain, line);
        set("real authors", TofuResult::realAuthors, line);
        set("world facts", TofuResult::worldFacts, line);
        line.of("model utility" + (modelUtility.missing().isEmpty() ? "" : ", of " + modelUtility.parts().size() + " parts"),
                result -> result.modelUtility.value());
    }

    /** A named number of this result and of the reference's. */
    interface Line {
        void of(String name, ToDoubleFunction<TofuResult> value);
    }

    private void set(String name, Function<TofuResult, SetMetrics> which, Line line) {
        if (which.apply(this) == null) {
            return;
        }
        number(name + ", probability", which, SetMetrics::probability, line);
        number(name + ", ROUGE-L recall", which, SetMetrics::rougeLRecall, line);
        number(name + ", truth ratio", which, SetMetrics::truthRatio, line);
    }

    private static void number(String name, Function<TofuResult, SetMetrics> which, ToDoubleFunction<SetMetrics> of,
                               Line line) {
        line.of(name, result -> which.apply(result) == null ? Double.NaN : of.applyAsDouble(which.apply(result)));
    }
}
