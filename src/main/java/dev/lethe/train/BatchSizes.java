/* Bounds on the sizes of a training's batches, for the memory planner. */
package dev.lethe.train;

import dev.lethe.data.Example;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.run.TrainConfig;
import java.util.Comparator;
import java.util.List;

/**
 * The longest records that may meet in one batch.
 *
 * @param records at most a batch's, longest first
 * @param most    records of any batch: shorter ones may be more
 */
record BatchSizes(List<Example> records, int most) {

    /** @param limit tokens of a batch, 0 = any; the first record always stays */
    static BatchSizes of(List<Example> examples, TrainConfig config, long limit) {
        List<Example> longest = examples.stream()
                .sorted(Comparator.comparingInt((Example e) -> e.tokens().length).reversed()).limit(config.batchSize()).toList();
        int count = 0;
        long tokens = 0;
        while (count < longest.size() && (limit == 0 || count == 0
                || tokens + longest.get(count).tokens().length <= limit)) {
            tokens += longest.get(count++).tokens().length;
        }
        return new BatchSizes(longest.subList(0, count), Math.min(examples.size(), config.batchSize()));
    }

    long tokens() {
        return records.stream().mapToLong(e -> e.tokens().length).sum();
    }

    long targets() {
        return records.stream().mapToLong(Example::targetCount).sum();
    }

    /** At least what the entries of any batch within these sizes take: every token with a loss, and as many as may be. */
    long entryBytes(LanguageModel model, EntryFormat format) {
        return (most - records.size()) * model.entries().bytes(format, 1, 1) + records.stream()
                .mapToLong(e -> model.entries().bytes(format, e.tokens().length, e.tokens().length)).sum();
    }
}
