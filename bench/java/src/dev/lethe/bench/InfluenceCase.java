/*
 * Influence of N captured records on a query: the query's gradient, then one streaming pass over the ledger. Capturing
 * them is not timed, as training paid for it. The last example is the query. Peer: bench/python/influence.py.
 */
package dev.lethe.bench;

import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.ScoreMerger.QueryScores.EntryScore;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

final class InfluenceCase implements Case {
    private final LanguageModel model;
    private final InfluenceScorer scorer;
    private final Path folder;
    private final List<Example> query;
    private List<EntryScore> scores = List.of();

    InfluenceCase(Setup setup) {
        model = Checkpoint.load(setup.engine(), setup.model(), Dtype.F32);
        scorer = new InfluenceScorer(model, ScoreOptions.defaults());
        folder = setup.work().resolve("influence-ledger");
        List<Example> examples = Examples.read(setup.examples());
        query = examples.subList(examples.size() - 1, examples.size());
        try (LedgerSink sink = new LedgerSink(model, folder, setup.args())) {
            sink.captureAll(examples.subList(0, examples.size() - 1), setup.args().get("batch").asInt());
        }
    }

    @Override
    public Map<String, Long> run() {
        try (GradientLedger ledger = GradientLedger.open(folder); ParameterVector q = scorer.query(query, 1)) {
            scores = scorer.dot(ledger, ledger.entries(), q);
        }
        return Map.of();
    }

    @Override
    public void result(Results out) {
        run();
        out.add("scores", scores.stream().mapToDouble(EntryScore::total).toArray());
    }

    @Override
    public List<Path> files() {
        return LedgerSink.filesUnder(folder);
    }

    @Override
    public long stored() {
        return LedgerSink.bytesUnder(folder);
    }

    @Override
    public void close() {
        model.close();
        LedgerSink.deleteTree(folder);
    }
}
