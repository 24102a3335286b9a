package dev.lethe.cli;

import dev.lethe.data.OnLong;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Dtype;
import dev.lethe.train.TrainConfig;
import picocli.CommandLine.Option;

/** What of the records a new run keeps: where and how their gradients, and their text. */
final class CaptureOptions {
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

    /** What is not given is left open. */
    TrainConfig.Builder with(TrainConfig.Builder builder) {
        return builder.sites(sites).headTopK(headTopK()).rank(rank).ledgerDtype(ledgerDtype).onLong(onLong).keepText(keepText)
                .seed(seed);
    }

    private int headTopK() {
        if (head.equals("exact")) {
            return 0;
        }
        if (head.equals("auto")) {
            return -1;
        }
        if (!head.matches("topk:[1-9][0-9]{0,8}")) {
            throw new BadInputException("--head " + head + ": write auto, exact or topk:K, for example topk:256");
        }
        return Integer.parseInt(head.substring("topk:".length()));
    }
}
