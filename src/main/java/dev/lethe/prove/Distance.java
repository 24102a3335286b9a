/*
 * How far the model is from the original and from retrained ones: in weights, and in what it predicts on erased records and on
 * records never seen. Told, not judged: models retrained twice differ too, and in weights by more than an erasure moves.
 */
package dev.lethe.prove;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.prove.Suspect.Role;
import dev.lethe.results.Row;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.List;

final class Distance extends Attack {
    private static final int MOST_RECORDS = 200;

    Distance() {
        super("distance",
                "How far is the model from the one before, and from one trained without the records?",
                "distances in weights and in predictions (arXiv 1911.04933, arXiv 2012.13431)");
    }

    @Override
    boolean descriptive() {
        return true;
    }

    @Override
    List<Row> rows(Suspect suspect, Bench bench) {
        List<Row> rows = new ArrayList<>();
        for (Suspect other : bench.suspects) {
            if (other != suspect && other.role() != Role.ERASED) {
                if (other.model().shape().equals(suspect.model().shape())) {
                    rows.add(Rows.of("weights, from " + other.name(), suspect.name(), weights(suspect.model(), other.model())));
                }
                rows.add(Rows.means("KL from " + other.name(), suspect.name(),
                        kl(suspect.model(), other.model(), bench.erasedExamples()),
                        kl(suspect.model(), other.model(), bench.controlExamples())));
                bench.progress(rows.size(), 2 * bench.suspects.size());
            }
        }
        return rows;
    }

    /** |a − b| / |b|, L2. */
    private static double weights(LanguageModel model, LanguageModel other) {
        ParameterVector theirs = other.buffer(Buffer.PARAMETERS);
        try (ParameterVector difference = model.buffer(Buffer.PARAMETERS).copy()) {
            difference.axpy(-1, theirs);
            return difference.norm() / theirs.norm();
        }
    }

    /** Mean over a record's targets of KL(other's prediction || the model's), nats. */
    private static double[] kl(LanguageModel model, LanguageModel other, List<Example> examples) {
        List<Example> some = Material.spread(examples, MOST_RECORDS);
        return some.stream().map(example -> BatchPlan.batch(List.of(example), new int[] {0}))
                .mapToDouble(one -> model.distances().klGradient(one, other, false)[0]).toArray();
    }
}
