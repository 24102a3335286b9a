/*
 * What the ranks of a training or an erasure tell each other: gradients of their shares of a batch, numbers, whether one has
 * failed, and that all are at the same. One word is every rank's: each waits for all others. Leaves out how bytes travel: RankGroup.
 */
package dev.lethe.train;

import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.base.Reason;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.RankGroup;
import dev.lethe.engine.RankGroup.RankException;
import dev.lethe.engine.Work;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.text.Example;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * One rank's side of work that several share; with {@link RankGroup#ALONE} nothing is said and nobody waited for.
 * Rank 0 writes the run; every rank of a training its own part of the ledger. One thread.
 */
public final class Ranks implements RankGroup {
    /** Nobody else. */
    public static final Ranks NONE = new Ranks(RankGroup.ALONE);

    private static final int FINE = -1; // else the ordinal of the failure's code
    private static final int MOST_TEXT = 2000;

    private final RankGroup group;
    private boolean within;
    private boolean told;
    private final long[] apart = new long[2];

    public Ranks(RankGroup group) {
        this.group = group;
    }

    /** Those of an engine. */
    public static Ranks of(Engine engine) {
        return engine.group() instanceof Ranks ranks ? ranks : engine.group().size() == 1 ? NONE : new Ranks(engine.group());
    }

    @Override
    public int rank() {
        return group.rank();
    }

    @Override
    public int size() {
        return group.size();
    }

    @Override
    public void own() {
        group.own();
    }

    @Override
    public void sum(ParameterVector vector) {
        group.sum(vector);
    }

    @Override
    public byte[][] gather(byte[] own) {
        return group.gather(own);
    }

    @Override
    public void close() {
        group.close();
    }

    /** Whether this is a part of something larger that they do together. */
    boolean within() {
        return within;
    }

    public boolean alone() {
        return group.size() == 1;
    }

    /** Whether this rank writes what all share. */
    public boolean leads() {
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
     * one's message and code. Within another such call it is a part of that.
     */
    public <T> T together(Supplier<T> body) {
        if (alone() || within) {
            return body.get();
        }
        group.own();
        told = false;
        within = true;
        try {
            T result = body.get();
            meet();
            return result;
        } catch (Throwable e) {
            if (!(e instanceof RankException) && !told) {
                tell(e);
            }
            throw e;
        } finally {
            within = false;
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
    public void meet() {
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
    public void requireSame(String what, String own) {
        requireSame(what, own, (other, first) -> other + ", rank 0 " + first);
    }

    /** @param difference of a rank's value and rank 0's, for people */
    private void requireSame(String what, String own, BinaryOperator<String> difference) {
        String[] all = exchange(own);
        for (int r = 1; r < all.length; r++) {
            if (!all[r].equals(all[0])) {
                throw new BadInputException("rank " + r + " of " + size() + " differs from rank 0 in " + what + ": "
                        + difference.apply(all[r], all[0]) + "; start every rank with one command, the same files and the same build of"
                        + " Lethe");
            }
        }
    }

    /** As the other, of what a JSON object has; names the parts that differ. */
    public void requireSameParts(String what, Object own) {
        requireSame(what, RunJson.line(own), (other, first) -> {
            JsonNode here = RunJson.tree(other, what);
            JsonNode there = RunJson.tree(first, what);
            return Stream.concat(here.propertyNames().stream(), there.propertyNames().stream()).distinct()
                    .filter(name -> !here.path(name).equals(there.path(name)))
                    .map(name -> name + " is " + here.path(name) + ", rank 0 has " + there.path(name)).collect(Collectors.joining(", "));
        });
    }

    /** What the first rank has, on all: the others wait for it, however long, interrupted or not. @param own null on others */
    public <T> T ofFirst(T own, Class<T> type) {
        if (alone()) {
            return own;
        }
        String first = Work.shielded(() -> exchange(leads() ? RunJson.line(own) : "")[0]);
        return leads() ? own : RunJson.read(first, type, "rank 0");
    }

    /** As the other, of what computes. */
    public void requireSameBuild() {
        requireSame("the version of Lethe", RunInfo.VERSION);
        requireSame("libtorch or instruction set", Engine.buildInfo().torchVersion() + " " + Engine.buildInfo().isa());
    }

    /**
     * The numbers of all ranks, one rank's behind the other's.
     *
     * @param own computes this one's
     * @throws InterruptedWorkException on every rank when one was asked to end
     */
    double[] joined(Supplier<double[]> own) {
        if (alone()) {
            return own.get();
        }
        double[] mine = null;
        try {
            mine = Work.interrupted() ? null : own.get();
        } catch (InterruptedWorkException e) {
            // told to the others here
        }
        apart[0] = System.nanoTime();
        double[][] all = exchange(mine == null ? new double[] {1} : DoubleStream.concat(DoubleStream.of(0), Arrays.stream(mine)).toArray());
        apart[0] = System.nanoTime() - apart[0];
        if (Arrays.stream(all).anyMatch(one -> one[0] != 0)) {
            throw new InterruptedWorkException("a rank was asked to end");
        }
        return Arrays.stream(all).flatMapToDouble(one -> Arrays.stream(one, 1, one.length)).toArray();
    }

    /**
     * Overwrites the gradient buffer with the sum of what all ranks' shares of a batch have in theirs.
     *
     * @param own computes the gradient of a share that is not empty, {begin, end} within {@code indices}, and gives its losses
     * @return [B] the losses of the whole batch
     * @throws InterruptedWorkException on every rank when one was asked to end
     */
    double[] gradient(LanguageModel model, List<Example> examples, int[] indices, Function<int[], double[]> own) {
        int[] share = share(examples, indices);
        boolean none = share[0] == share[1];
        double[] losses = joined(() -> none ? new double[0] : own.apply(share));
        apart[1] = System.nanoTime();
        if (none) {
            model.buffer(Buffer.GRADIENT).scale(0); // it is another step's
        }
        if (!alone()) {
            group.sum(model.buffer(Buffer.GRADIENT));
        }
        apart[1] = System.nanoTime() - apart[1];
        return losses;
    }

    /** Nanoseconds of the last gradient: waited for the other ranks' shares, added up. */
    long[] apart() {
        return apart;
    }

    @Override
    public String toString() {
        return alone() ? "" : " on " + size() + " ranks";
    }
}
