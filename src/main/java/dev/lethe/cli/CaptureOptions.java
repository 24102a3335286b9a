package dev.lethe.cli;

import dev.lethe.data.OnLong;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Dtype;
import dev.lethe.engine.ModelShape;
import dev.lethe.train.ModelSource;
import dev.lethe.train.TrainConfig;
import picocli.CommandLine.Option;

/** What of the records a new run keeps: where and how their gradients, and their text. */
final class CaptureOptions {
    private static final long EXACT_VOCABULARY = 4096;
    private static final int AUTOMATIC_TOP_K = 256;

    @Option(names = "--sites", paramLabel = "SITES",
            description = "Where gradients are kept: embedding, all, block:0,1, attention, mlp, names or globs (default: embedding;"
                    + " of an adapter all).")
    private String sites;

    @Option(names = "--head", paramLabel = "POLICY", defaultValue = "auto",
            description = "Softmax errors kept: exact, topk:256 a token, or auto: topk:256 for a vocabulary above 4,096,"
                    + " exact below (default: auto).")
    private String head;

    @Option(names = "--rank", paramLabel = "R", defaultValue = "0",
            description = "Rows a record keeps at a linear site, the best by singular values; 0 = a row a token (default: 0).")
    private int rank;

    @Option(names = "--ledger-dtype", paramLabel = "TYPE", defaultValue = "f32",
            description = "f32 or bf16 (default: f32).")
    private Dtype ledgerDtype;

    @Option(names = "--on-long", paramLabel = "WHAT", defaultValue = "truncate",
            description = "A record longer than the context: truncate (the count is told) or error.")
    private OnLong onLong;

    @Option(names = "--keep-text",
            description = "Keep the records' text in the run, so that it needs its data file no more.")
    private boolean keepText;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "0", description = "Of whatever is drawn: weights, order, hold-out.")
    private long seed;

    /** For a new run. */
    TrainConfig.Builder with(TrainConfig.Builder builder, ModelSource source) {
        ModelShape shape = source.shape();
        return with(builder, usualSites(shape), automaticTopK(shape));
    }

    static String usualSites(ModelShape shape) {
        return shape.hasAdapters() ? "all" : "embedding";
    }

    /** Exact errors are V numbers a token: 30 GB for one epoch of 4,000 short records at GPT-2's vocabulary. */
    static int automaticTopK(ModelShape shape) {
        return shape.vocabulary() > EXACT_VOCABULARY ? AUTOMATIC_TOP_K : 0;
    }

    /** For a run that was begun: what is not given is as there. */
    TrainConfig.Builder with(TrainConfig.Builder builder, TrainConfig began) {
        return with(builder, began.sites(), began.headTopK());
    }

    private TrainConfig.Builder with(TrainConfig.Builder builder, String usualSites, int automatic) {
        return builder.sites(sites == null ? usualSites : sites).headTopK(headTopK(automatic)).rank(rank).ledgerDtype(ledgerDtype).onLong(onLong)
                .keepText(keepText).seed(seed);
    }

    private int headTopK(int automatic) {
        if (head.equals("exact")) {
            return 0;
        }
        if (head.equals("auto")) {
            return automatic;
        }
        if (!head.matches("topk:[1-9][0-9]{0,8}")) {
            throw new BadInputException("--head " + head + ": write auto, exact or topk:K, for example topk:256");
        }
        return Integer.parseInt(head.substring("topk:".length()));
    }
}
