package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.LanguageModel;
import dev.lethe.influence.InfluenceQuery.QueryVector;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.GradientLedger;
import java.nio.file.Path;
import java.util.List;
import java.util.ServiceLoader;

/** Processes elsewhere that compute a pass's rows. An implementation is found on the class path ({@link ServiceLoader}). */
public interface RowSource {
    /**
     * A pass: what {@link InfluenceScorer#rows} takes, and the run by which others find the same.
     *
     * @param run     its folder
     * @param model   the run's, of the calling thread
     * @param blocks  of the entries that are asked for
     * @param queries none = the entries' own squared norms, as {@link InfluenceScorer#selfRows}
     * @param along   what the entries are multiplied with in place of a query's gradient; null = the gradient
     */
    record Pass(Path run, LanguageModel model, GradientLedger ledger, LedgerBlocks blocks, ScoreOptions options,
            List<InfluenceQuery> queries, List<Weighing> weighings, QueryVector along) {}

    /** Gives all of the pass's rows, turn by turn, by rising position. Throws as {@link InfluenceScorer#rows}. */
    void rows(Pass pass, EntryRows.Sink sink);

    /** @throws BadInputException when there is none */
    static RowSource spark() {
        return ServiceLoader.load(RowSource.class).findFirst().orElseThrow(() -> new BadInputException(
                "spark: Lethe's Spark module is not on the class path; begin with spark/score.sh (spark/README.md)"));
    }
}
