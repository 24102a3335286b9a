/*
 * What the ranks of a training tell each other besides gradients: numbers, whether one has failed, and that all are at the same.
 * One word is every rank's: each waits for all others. Also which records of a batch are whose. Leaves out how bytes
 * travel: RankGroup.
 */
package dev.lethe.train;

import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.RankException;
import dev.lethe.engine.RankGroup;
import dev.lethe.engine.Work;
import dev.lethe.text.Example;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.function.BinaryOperator;
import java.util.function.Supplier;

/**
 * One rank's side of a training that several share; with {@link RankGroup#ALONE} nothing is said and nobody waited for.
 * Rank 0 writes the run; every rank its own part of the ledger. One thread.
 */
final class Ranks {
    private static final int FINE = -1; // else the ordinal of the failure's code
    private static final int MOST_TEXT = 2000;

    private final RankGroup group;
    private boolean told;

    Ranks(RankGroup group) {
        this.group = group;
    }

    int rank() {
        return group.rank();
    }

    int size() {
        return group.size();
    }

    boolean alone() {
        return group.size() == 1;
    }

    /** Whether this rank writes what all share. */
    boolean leads() {
        return group.rank() == 0;
    }

    /**
     * Which of a step's records are a rank's: neighbours, cut where the tokens come nearest to equal shares. A function of the
     * batch and the number of ranks alone; one with more ranks than records leaves some of them none.
     *
     * @return {begin, end} within {@code indices}
     */
    static int[] share(List<Example> examples, int[] indices, int rank, int size) {
        long all = TokenMean.tokens(examples, indices);
        int begin = 0;
        int end = 0;
        long before = 0;
        for (int index : indices) {
            int own = examples.get(index).tokens().length;
            long place = (2 * before + own) * size / (2 * all); // the rank in whose share its middle token lies
            begin += place < rank ? 1 : 0;
            end += place <= rank ? 1 : 0;
            before += own;
        }
        return new int[] {begin, end};
    }

    int[] share(List<Example> examples, int[] indices) {
        return share(examples, indices, rank(), size());
    }

    /**
     * Runs what all ranks do together. When it fails on one, all others fail too, at the next word they exchange: with that
     * one's message and code.
     */
    <T> T together(Supplier<T> body) {
        if (alone()) {
            return body.get();
        }
        group.own();
        try {
            T result = body.get();
            meet();
            return result;
        } catch (Throwable e) {
            if (!(e instanceof RankException) && !told) {
                tell(e);
            }
            throw e;
        }
    }

    private void tell(Throwable e) {
        told = true;
        LetheException.Code code = e instanceof LetheException known ? known.code()
                : e instanceof Error ? LetheException.Code.ENGINE : LetheException.Code.INPUT;
        byte[] text = Reason.of(e).getBytes(StandardCharsets.UTF_8);
        try {
            frames(code.ordinal(), Arrays.copyOf(text, Math.min(text.length, MOST_TEXT)));
        } catch (RankException lost) {
            e.addSuppressed(lost);
        }
    }

    /**
     * Waits until all ranks are here. An interrupt does not cut that short: one that left would end what the others still write.
     *
     * @throws RankException when one has failed
     */
    void meet() {
        if (!alone()) {
            Work.shielded(() -> exchange(new byte[0]));
        }
    }

    /**
     * Every rank's word, in the order of ranks.
     *
     * @throws RankException when one has failed or is lost
     */
    byte[][] exchange(byte[] own) {
        if (alone()) {
            return new byte[][] {own};
        }
        if (told) {
            throw new IllegalStateException("ranks: this one has said that it failed");
        }
        return frames(FINE, own);
    }

    /** {kind, length} of all, then the words themselves, filled up to the longest. */
    private byte[][] frames(int kind, byte[] own) {
        byte[][] heads = group.gather(ByteBuffer.allocate(2 * Integer.BYTES).putInt(kind).putInt(own.length).array());
        int longest = Arrays.stream(heads).mapToInt(head -> ByteBuffer.wrap(head).getInt(Integer.BYTES)).max().orElseThrow();
        byte[][] words = longest == 0 ? new byte[size()][0] : group.gather(Arrays.copyOf(own, longest));
        for (int r = 0; r < size(); r++) {
            ByteBuffer head = ByteBuffer.wrap(heads[r]);
            words[r] = Arrays.copyOf(words[r], head.getInt(Integer.BYTES));
            if (kind == FINE && head.getInt(0) != FINE) {
                throw RankException.failed(LetheException.Code.values()[head.getInt(0)], "rank " + r + " of " + size() + ": "
                        + new String(words[r], StandardCharsets.UTF_8));
            }
        }
        return words;
    }

    double[][] exchange(double... own) {
        ByteBuffer bytes = ByteBuffer.allocate(own.length * Double.BYTES);
        bytes.asDoubleBuffer().put(own);
        return Arrays.stream(exchange(bytes.array())).map(word -> {
            double[] numbers = new double[word.length / Double.BYTES];
            ByteBuffer.wrap(word).asDoubleBuffer().get(numbers);
            return numbers;
        }).toArray(double[][]::new);
    }

    private String[] exchange(String own) {
        return Arrays.stream(exchange(own.getBytes(StandardCharsets.UTF_8))).map(word -> new String(word, StandardCharsets.UTF_8))
                .toArray(String[]::new);
    }

    /** What rank 0 decides, where ranks could decide differently: by the clock. */
    boolean first(boolean own) {
        return exchange(own ? 1 : 0)[0][0] != 0;
    }

    /**
     * Refuses ranks that are not at the same; all say so.
     *
     * @param what is compared, as {@code options}
     * @throws BadInputException naming the first rank that differs from rank 0
     */
    void requireSame(String what, String own) {
        requireSame(what, own, (other, first) -> other + ", rank 0 " + first);
    }

    /** As the other. @param difference of a rank's value and rank 0's, for people */
    void requireSame(String what, String own, BinaryOperator<String> difference) {
        String[] all = exchange(own);
        for (int r = 1; r < all.length; r++) {
            if (!all[r].equals(all[0])) {
                throw new BadInputException("rank " + r + " of " + size() + " differs from rank 0 in " + what + ": "
                        + difference.apply(all[r], all[0]) + "; start every rank with one command, the same files and the same build of"
                        + " Lethe");
            }
        }
    }

    /** Adds up the ranks' gradients; one that has none of its own says so, for its buffer is another step's. */
    void sum(LanguageModel model, boolean none) {
        if (none) {
            model.buffer(Buffer.GRADIENT).scale(0);
        }
        if (!alone()) {
            group.sum(model.buffer(Buffer.GRADIENT));
        }
    }

    @Override
    public String toString() {
        return alone() ? "" : " on " + size() + " ranks";
    }
}
