package dev.lethe.spark;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.LedgerBlocks;
import dev.lethe.influence.QueryForm;
import dev.lethe.influence.RowSource.Pass;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.Example;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * A pass over the ledger. Queries travel as token ids, so no executor needs a tokenizer; what a method makes of a query's gradient
 * travels as numbers.
 *
 * @param ledgerHash {@link LedgerBlocks#sha256} of what is asked for
 * @param sites      names of those that count; null = all that the ledger holds
 * @param epochs     those that count
 * @param form       how queries meet the ledger; null = the cheaper one
 * @param queries    none = the entries' own squared norms
 * @param along      [queries][P] what the entries are multiplied with in place of a query's gradient, or null
 */
record ScoreJob(Place place, String ledgerHash, List<String> sites, Set<Integer> epochs, long blockBytes, long queryBytes, QueryForm form,
                List<Question> queries, List<Weighing> weighings, float[][] along) implements Job<ScoreWork> {
    /** A query: its examples' inputs and targets, [T] each. */
    record Question(String name, List<String> ids, List<int[]> tokens, List<int[]> targets) implements Serializable {
        static Question of(InfluenceQuery query) {
            List<String> ids = new ArrayList<>();
            List<int[]> tokens = new ArrayList<>();
            List<int[]> targets = new ArrayList<>();
            for (Example example : query.examples()) {
                ids.add(example.id());
                tokens.add(example.tokens());
                targets.add(example.targets());
            }
            return new Question(query.name(), ids, tokens, targets);
        }

        InfluenceQuery query() {
            List<Example> examples = new ArrayList<>();
            for (int i = 0; i < ids.size(); i++) {
                examples.add(new Example(ids.get(i), i, tokens.get(i), targets.get(i), false));
            }
            return new InfluenceQuery(name, examples);
        }
    }

    static ScoreJob of(Pass pass, int threads) {
        Set<Integer> epochs = new TreeSet<>();
        pass.blocks().entries().forEach(entry -> epochs.add(entry.header().epoch()));
        ScoreOptions options = pass.options();
        return new ScoreJob(Place.of(pass.run(), pass.model(), threads), pass.blocks().sha256(),
                options.sites() == null ? null : List.copyOf(options.sites().names()), epochs, options.blockBytes(), options.queryBytes(),
                options.form(), pass.queries().stream().map(Question::of).toList(), List.copyOf(pass.weighings()), along(pass));
    }

    private static float[][] along(Pass pass) {
        if (pass.along() == null) {
            return null;
        }
        float[][] vectors = new float[pass.queries().size()][];
        for (int q = 0; q < vectors.length; q++) {
            try (ParameterVector vector = pass.along().of(pass.queries().get(q))) {
                vectors[q] = vector.readFloats(0, Math.toIntExact(vector.size()));
            }
        }
        return vectors;
    }

    @Override
    public ScoreWork open(Engine engine, LanguageModel model, GradientLedger ledger) {
        LedgerBlocks blocks = LedgerBlocks.of(ledger.entries().stream().filter(entry -> epochs.contains(entry.header().epoch())).toList(),
                blockBytes);
        Workplace.requireSame("the ledger in " + place.folder().resolve("ledger") + " is", ledgerHash, blocks.sha256(),
                "let all machines see one run; when it was erased from meanwhile, score again");
        return new ScoreWork(this, model, ledger, blocks, queries.stream().map(Question::query).toList());
    }

    ScoreOptions options(LanguageModel model) {
        return new ScoreOptions(sites == null ? null : SiteSet.of(model.sites(), sites), blockBytes, queryBytes, form);
    }
}
