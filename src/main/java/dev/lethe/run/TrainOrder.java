/*
 * Which records each step of a training sees. It follows from the number of records, the late ones among them, the batch size,
 * the epochs and the seed alone, so a record can be left out of it (masked) and every other keeps its step: its place stays
 * empty. An epoch is a shuffle of all places; where some are late, all epochs but the last are of the others, and the last has
 * the late ones in its end, as often as the others were seen in the whole training.
 */
package dev.lethe.run;

import dev.lethe.base.Sha256;
import dev.lethe.settings.TrainConfig;
import dev.lethe.text.BatchPlan;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.IntStream;

/** The order of one training; remembers the epoch it was asked about last, so one thread. */
public final class TrainOrder {
    /** Share of all that a training sees which its end is, unless the late records alone are more. */
    private static final double END = 0.1;

    private final TrainConfig config;
    private final RunInfo.Plan plan;
    private final int[] others;
    private final int[] late;
    /** By place: the record's position among those that remain, or -1. */
    private final int[] position;
    private final long perEpoch;
    private final int head;
    private final long all;
    private int madeEpoch = -1;
    private int[] made;
    private BitSet again; // slots of the last epoch whose record comes once more

    /**
     * A step's records.
     *
     * @param records positions among those that remain; may be empty
     * @param again   so many of them, the first, come again in this epoch: what is captured of an epoch is each record's last time
     */
    public record Slots(int[] records, int again) { }

    public TrainOrder(TrainConfig config, RunInfo.Plan plan) {
        this.config = config;
        this.plan = plan;
        BitSet isLate = new BitSet();
        plan.late().forEach(isLate::set);
        others = IntStream.range(0, plan.records()).filter(place -> !isLate.get(place)).toArray();
        late = plan.late().stream().mapToInt(Integer::intValue).toArray();
        position = new int[plan.records()];
        Arrays.fill(position, -1);
        int[] open = plan.open();
        for (int i = 0; i < open.length; i++) {
            position[open[i]] = i;
        }
        perEpoch = Math.ceilDiv((long) others.length, config.batchSize());
        long shown = (long) late.length * config.epochs();
        long end = Math.max((long) Math.ceil(END * plan.records() * config.epochs()), shown);
        long before = Math.max(0, others.length + shown - end);
        head = late.length == 0 ? others.length : (int) (before / config.batchSize() * config.batchSize());
        all = perEpoch * (config.epochs() - 1) + Math.ceilDiv(others.length + shown, config.batchSize());
    }

    /** Optimizer steps of the training. */
    public long steps() {
        return config.maxSteps() == 0 ? all : Math.min(all, config.maxSteps());
    }

    /** Steps of the epochs before the last. */
    public long beforeLast() {
        return perEpoch * (config.epochs() - 1);
    }

    /** The epoch of a step, both counted from 0. */
    public int epoch(long step) {
        return (int) Math.min(step / perEpoch, config.epochs() - 1);
    }

    /** Whether so many steps are a number of whole epochs. */
    public boolean endsEpoch(long steps) {
        return steps == all || steps <= beforeLast() && steps % perEpoch == 0;
    }

    /** Whole epochs that the training makes. */
    public long wholeEpochs() {
        return steps() == all ? config.epochs() : steps() / perEpoch;
    }

    /** The records of a step, counted from 0. */
    public Slots at(long step) {
        int[] places = places(step);
        int from = (int) (step - perEpoch * madeEpoch) * config.batchSize();
        int[] records = new int[places.length];
        int count = 0;
        int repeated = 0;
        for (boolean last : new boolean[] {false, true}) {
            for (int slot = 0; slot < places.length; slot++) {
                if (position[places[slot]] >= 0 && again.get(from + slot) != last) {
                    records[count++] = position[places[slot]];
                }
            }
            repeated = last ? repeated : count;
        }
        return new Slots(Arrays.copyOf(records, count), repeated);
    }

    /** Every place of a step, masked ones too. */
    private int[] places(long step) {
        int epoch = epoch(step);
        if (epoch != madeEpoch) {
            again = new BitSet();
            made = late.length > 0 && epoch == config.epochs() - 1 ? last() : shuffled(others, epoch);
            madeEpoch = epoch;
        }
        int from = (int) (step - perEpoch * epoch) * config.batchSize();
        return Arrays.copyOfRange(made, from, Math.min(made.length, from + config.batchSize()));
    }

    private int[] shuffled(int[] places, int stream) {
        return IntStream.of(BatchPlan.order(places.length, config.seed(), stream)).map(i -> places[i]).toArray();
    }

    /** The others alone, then as many rounds as there are epochs, each of all late places and an equal share of the others. */
    private int[] last() {
        int[] rest = shuffled(others, config.epochs() - 1);
        IntStream.Builder slots = IntStream.builder();
        Arrays.stream(rest, 0, head).forEach(slots::add);
        int left = rest.length - head;
        for (int round = 0; round < config.epochs(); round++) {
            int from = head + (int) ((long) left * round / config.epochs());
            int to = head + (int) ((long) left * (round + 1) / config.epochs());
            int[] both = IntStream.concat(Arrays.stream(late), Arrays.stream(rest, from, to)).toArray();
            Arrays.stream(shuffled(both, config.epochs() + round)).forEach(slots::add);
        }
        int[] order = slots.build().toArray();
        BitSet seen = new BitSet();
        for (int slot = order.length - 1; slot >= 0; slot--) {
            again.set(slot, seen.get(order[slot]));
            seen.set(order[slot]);
        }
        return order;
    }

    /** The first step, counted from 0, that sees one of these places; all steps where none is ever seen. */
    public long first(BitSet wanted) {
        for (long step = 0; step < steps(); step++) {
            if (IntStream.of(places(step)).anyMatch(wanted::get)) {
                return step;
            }
        }
        return steps();
    }

    /** Steps after which checkpoints are kept: at the asked shares of the first epoch, and before the first late place. */
    public List<Long> keeps() {
        TreeSet<Long> at = new TreeSet<>();
        long firstEpoch = config.epochs() == 1 ? all : perEpoch;
        config.keepAt().forEach(share -> at.add(Math.round(share * firstEpoch)));
        if (late.length > 0) {
            at.add(beforeLast() + head / config.batchSize());
        }
        at.removeIf(step -> step <= 0 || step >= steps());
        return new ArrayList<>(at);
    }

    /**
     * SHA-256, lower-case hex, of all that decides the weights after so many steps: the first weights, the options, the shape of the
     * plan, and the texts that were seen, in their order. What is masked and was not seen by then makes no difference.
     *
     * @param rows the learned records that remain, in their order
     */
    public String hash(RunInfo info, List<RunRecord> rows, long steps) {
        MessageDigest digest = Sha256.digest();
        String begin = String.join("\n", info.source().modelHash(), info.data().form().toString(), Integer.toString(config.epochs()),
                Long.toString(config.maxSteps()), Integer.toString(config.batchSize()), Double.toString(config.learningRate()),
                config.schedule().name(), Long.toString(config.warmupSteps()), Double.toString(config.weightDecay()),
                Double.toString(config.maxNorm()), Long.toString(config.seed()), config.dtype().name(), config.onLong().name(),
                Integer.toString(plan.records()), plan.late().toString());
        digest.update(begin.getBytes(StandardCharsets.UTF_8));
        for (long step = 0; step < steps; step++) {
            StringBuilder seen = new StringBuilder("\n");
            IntStream.of(at(step).records()).forEach(i -> seen.append(rows.get(i).sha256()).append(' '));
            digest.update(seen.toString().getBytes(StandardCharsets.UTF_8));
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
