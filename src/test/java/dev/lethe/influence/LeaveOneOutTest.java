package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Schedule;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Example;
import dev.lethe.train.Retraining;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Scores against leave-one-out retraining where theory says they hold: one short training at a small rate with batches of
 * the whole data, so that the loss is near its tangent along the way.
 */
@ExtendWith(NoLeaks.class)
class LeaveOneOutTest {
    @TempDir
    Path folder;

    @Test
    void theSignOfAScoreIsThatOfLeavingTheRecordOut() {
        TinyData tiny = new TinyData(folder, 5);
        TrainConfig config = TinyData.config().epochs(6).batchSize(15).learningRate(2e-3).schedule(Schedule.CONSTANT)
                .maxNorm(0).capture(TrainConfig.CapturePolicy.ALL).dtype(Dtype.F64).ledgerDtype(Dtype.F64).build();
        try (Engine engine = Engine.cpu()) {
            RunFolder run = Trainer.train(engine, tiny.source, tiny.data, folder.resolve("run"), config,
                    TrainListener.silent());
            try (Retraining retraining = Retraining.of(engine, run);
                    LanguageModel model = Checkpoint.load(engine, run.model(), Dtype.F64);
                    GradientLedger ledger = GradientLedger.open(run.ledger())) {
                List<Example> records = retraining.records();
                double[][] measured = measured(retraining);
                for (ScoreMethod method : List.of(ScoreMethod.DOT, ScoreMethod.COSINE)) {
                    ScoreCorrelation foretelling = new ScoreCorrelation(scores(model, ledger, records, method), measured);
                    assertTrue(foretelling.rankCorrelation(1).low() > 0.3, method + " " + foretelling.rankCorrelation(1));
                    assertTrue(foretelling.signAgreement(1).low() > foretelling.likelierSign(),
                            method + " " + foretelling.signAgreement(1) + ", constant " + foretelling.likelierSign());
                }
            }
        }
    }

    /** The rise of each record's loss without each record, [N][N]. */
    private static double[][] measured(Retraining retraining) {
        List<Example> records = retraining.records();
        BitSet all = new BitSet();
        all.set(0, records.size());
        retraining.train(all, retraining.order());
        double[] whole = retraining.losses(records);
        double[][] rises = new double[records.size()][records.size()];
        for (int left = 0; left < records.size(); left++) {
            BitSet kept = (BitSet) all.clone();
            kept.clear(left);
            retraining.train(kept, retraining.order());
            double[] losses = retraining.losses(records);
            for (int m = 0; m < losses.length; m++) rises[m][left] = losses[m] - whole[m];
        }
        return rises;
    }

    private static double[][] scores(LanguageModel model, GradientLedger ledger, List<Example> records, ScoreMethod method) {
        List<InfluenceQuery> queries = records.stream()
                .map(example -> new InfluenceQuery(example.id(), List.of(example))).toList();
        List<double[]> rows = new ArrayList<>();
        new InfluenceScorer(model, ScoreOptions.defaults()).scores(ledger, ledger.entries(), queries, method.weighing(),
                null, scores -> rows.add(IntStream.range(0, records.size()).mapToDouble(i -> scores.records().stream()
                        .filter(score -> score.key().equals(RecordKey.of(records.get(i).id()))).findFirst().orElseThrow()
                        .total() * records.get(i).targetCount()).toArray()));
        return rows.toArray(double[][]::new);
    }
}
