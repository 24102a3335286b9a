package dev.lethe.eval;

import dev.lethe.metric.MetricValues;
import dev.lethe.results.Evaluation;
import java.util.List;

/**
 * The reference attack (Carlini et al. 2021, arXiv 2012.07805; OpenUnlearning's mia_reference): a record's mean loss minus
 * its loss under a model that never learned it, such as the retrained one, which takes out how hard the text is of
 * itself. Low means "looks trained on".
 */
public final class ReferenceAttack {
    /** Name in results. */
    public static final String LABEL = "reference";

    private ReferenceAttack() {}

    /** A set of records under the model and under the reference model, in the same order. */
    public record Sides(Evaluation model, Evaluation reference) {
        /** Loss minus reference loss, one a record. */
        public double[] scores() {
            List<Evaluation.RecordMeasures> mine = model.records();
            List<Evaluation.RecordMeasures> other = reference.records();
            MetricValues.requireSameLength("reference attack", mine.size(), other.size());
            double[] scores = new double[mine.size()];
            for (int i = 0; i < scores.length; i++) {
                if (!mine.get(i).id().equals(other.get(i).id())) {
                    throw new IllegalArgumentException("reference attack: record " + i + " is " + mine.get(i).id()
                            + " under the model and " + other.get(i).id() + " under the reference");
                }
                scores[i] = mine.get(i).tokens() == 0 ? Double.NaN : mine.get(i).loss() - other.get(i).loss();
            }
            return scores;
        }
    }

    public static MembershipInference.Result attack(Sides members, Sides nonMembers) {
        return MembershipInference.Result.of(LABEL, members.scores(), nonMembers.scores());
    }
}
