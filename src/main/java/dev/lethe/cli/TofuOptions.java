package dev.lethe.cli;

import dev.lethe.eval.Evaluator;
import dev.lethe.eval.TofuEvaluation;
import dev.lethe.eval.TofuScores;
import dev.lethe.eval.TofuSets;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The files of TOFU's evaluation, each of them optional, and its run over an open model. */
final class TofuOptions {
    @Option(names = "--forget-perturbed", paramLabel = "FILE",
            description = "TOFU: the forgotten records with a paraphrase and wrong answers each; measures probability,"
                    + " ROUGE-L recall and truth ratio.")
    private Path forget;

    @Option(names = "--retain-perturbed", paramLabel = "FILE", description = "TOFU: the same of records to be kept.")
    private Path retain;

    @Option(names = "--real-authors", paramLabel = "FILE",
            description = "TOFU: questions on real authors; with the other two sets, for model utility.")
    private Path realAuthors;

    @Option(names = "--world-facts", paramLabel = "FILE", description = "TOFU: questions on the world.")
    private Path worldFacts;

    /** Reads the files that were named, so that a bad one is told before anything is measured. */
    TofuSets read() {
        return TofuSets.read(forget, retain, realAuthors, worldFacts);
    }

    /** Null when no set is there. */
    static TofuScores evaluate(OpenModel open, TofuSets sets, Progress progress) {
        return sets.isEmpty() ? null : new TofuEvaluation(open.model(), open.tokenizer(),
                new Evaluator(2048, done -> progress.update("eval of TOFU answers", done, 0, "")),
                TofuEvaluation.ANSWER_TOKENS).evaluate(sets);
    }
}
