/* Bounds on the sizes of a training's batches, for the memory planner. */
package dev.lethe.train;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.Arrays;
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

    /** Cuts a step's batch into pieces that fit into memory; their gradients are added up. */
    static final class MicroBatches {
        private MicroBatches() { }

        /**
         * Neighbouring records together as long as they have at most {@code limit} tokens.
         *
         * @param limit 0 = none, the batch stays whole
         * @return {begin, end} of each piece within {@code indices}
         * @throws BadInputException when a record alone exceeds the limit
         */
        static List<int[]> cut(List<Example> examples, int[] indices, long limit) {
            if (limit == 0) {
                return List.of(new int[] {0, indices.length});
            }
            List<int[]> pieces = new ArrayList<>();
            long tokens = 0;
            int begin = 0;
            for (int b = 0; b < indices.length; b++) {
                Example example = examples.get(indices[b]);
                int own = example.tokens().length;
                if (own > limit) {
                    throw new BadInputException("record " + example.id() + " has " + own + " tokens, and only " + limit
                            + " fit into the device's memory at once; cut it, or take a smaller model or a larger device");
                }
                if (tokens + own > limit) {
                    pieces.add(new int[] {begin, b});
                    begin = b;
                    tokens = 0;
                }
                tokens += own;
            }
            pieces.add(new int[] {begin, indices.length});
            return pieces;
        }

        /** As the other; and no piece has records from before {@code border}, a position in {@code indices}, with later ones. */
        static List<int[]> cut(List<Example> examples, int[] indices, long limit, int border) {
            if (border == 0 || border == indices.length) {
                return cut(examples, indices, limit);
            }
            List<int[]> pieces = new ArrayList<>(cut(examples, Arrays.copyOf(indices, border), limit));
            for (int[] piece : cut(examples, Arrays.copyOfRange(indices, border, indices.length), limit)) {
                pieces.add(new int[] {border + piece[0], border + piece[1]});
            }
            return pieces;
        }
    }
}
