package dev.lethe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.RankGroup;
import dev.lethe.engine.RankGroup.RankException;
import dev.lethe.engine.Work;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/** Ranks that are threads of this process: a group without MPI, whose sums are added in the order of ranks. */
public final class ThreadRanks {
    private static final long PATIENCE = 60_000; // ms
    private static final long GRACE = 500; // ms that one which is asked to end waits for the others, as MpiGroup does

    private final CyclicBarrier barrier;
    private final byte[][] words;
    private final float[][] values;

    private ThreadRanks(int size) {
        barrier = new CyclicBarrier(size);
        words = new byte[size][];
        values = new float[size][];
    }

    /** Runs the body once a rank, at once; what it returned or threw, by rank. */
    public static List<Object> run(int size, Function<RankGroup, Object> body) {
        ThreadRanks all = new ThreadRanks(size);
        try (ExecutorService threads = Executors.newFixedThreadPool(size)) {
            List<Future<Object>> ranks = new ArrayList<>();
            for (int r = 0; r < size; r++) {
                RankGroup group = new Ranks(all.group(r));
                ranks.add(threads.submit(() -> body.apply(group)));
            }
            return ranks.stream().map(rank -> {
                try {
                    return rank.get();
                } catch (ExecutionException e) {
                    return (Object) e.getCause();
                } catch (InterruptedException e) {
                    throw new CompletionException(e);
                }
            }).toList();
        }
    }

    /** That bad input ended the first rank, and all others with its message and code. */
    public static void assertFirstFailed(String message, List<Object> ends) {
        assertEquals(message, assertInstanceOf(BadInputException.class, ends.getFirst()).getMessage());
        for (Object end : ends.subList(1, ends.size())) {
            RankException told = assertInstanceOf(RankException.class, end);
            assertEquals("rank 0 of " + ends.size() + ": " + message, told.getMessage());
            assertEquals(LetheException.Code.INPUT, told.code());
        }
    }

    private void await() {
        try {
            barrier.await(Work.interrupted() ? GRACE : PATIENCE, TimeUnit.MILLISECONDS);
        } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
            throw RankException.lost("a rank is lost", e);
        }
    }

    private RankGroup group(int rank) {
        return new RankGroup() {
            @Override
            public int rank() {
                return rank;
            }

            @Override
            public int size() {
                return words.length;
            }

            @Override
            public void own() {
                // Any thread's.
            }

            @Override
            public void sum(ParameterVector vector) {
                values[rank] = vector.readFloats(0, Math.toIntExact(vector.size()));
                await();
                float[] sum = values[0].clone();
                for (int r = 1; r < values.length; r++) {
                    for (int i = 0; i < sum.length; i++) {
                        sum[i] += values[r][i];
                    }
                }
                await();
                vector.writeFloats(0, sum);
            }

            @Override
            public byte[][] gather(byte[] own) {
                words[rank] = own.clone();
                await();
                byte[][] all = words.clone();
                await();
                return all;
            }

            @Override
            public void close() {
                // Holds nothing.
            }
        };
    }
}
