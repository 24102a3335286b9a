package dev.lethe;

import dev.lethe.data.TextRecord;
import dev.lethe.erase.OpenRun;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.results.ReplayPrice;
import dev.lethe.run.RunInfo;
import dev.lethe.settings.Copy;
import dev.lethe.shape.ModelShape;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A complete run that is open: its records, its search index, its model once that was asked. To be shared: any thread may call,
 * and calls wait for each other, for {@link Lethe}'s jobs on the run too. One that nobody closes is freed by the garbage collector,
 * and logged. Changes nothing; an interrupt ends a call with a {@link LetheException} of code CANCELLED.
 */
public final class Run implements AutoCloseable {
    final OpenRun open;

    Run(OpenRun open) {
        this.open = open;
    }

    /**
     * What a run is.
     *
     * @param records learned and not erased when it was opened
     * @param heldOut never trained on
     * @param steps   optimizer steps of its training
     * @param loss    of the last step's batch, nats a token
     * @param shape   of its model
     * @param parent  the run it was made from by an erasure, null after a training or adoption
     */
    public record Summary(int records, int heldOut, long steps, double loss, ModelShape shape, @Nullable Path parent) { }

    /** {@return its folder} */
    public Path path() {
        return open.folder().root();
    }

    /** {@return what it is, as {@code lethe.json} in its folder said when it was opened} */
    public Summary summary() {
        RunInfo info = open.folder().info();
        return new Summary(info.data().records(), info.data().holdout(), info.result().steps(), info.result().finalLoss(),
                info.source().shape(), info.lineage() == null ? null : Path.of(info.lineage().parent()));
    }

    /**
     * {@return the records that it learned and had not erased when they were first asked for, in the data's order; who opens the
     * run again sees what an erasure has done to it since}
     */
    public List<TextRecord> records() {
        return open.records();
    }

    /**
     * Looks for records among those learned.
     *
     * @param query what to look for
     * @return matches with scores and reasons, and near misses of a text that is nowhere
     * @throws LetheException of code INPUT for an id or subject that is not there
     */
    public ForgetSet find(Query query) {
        return open.find(query);
    }

    /**
     * {@return learned records that are equal or nearly equal to one to forget and not among the matches, and held-out ones that are
     * to any learned: what {@link dev.lethe.settings.EraseConfig#copies} decides about}
     *
     * @param forget what was found
     */
    public List<Copy> copies(ForgetSet forget) {
        return open.copies(forget);
    }

    /**
     * What erasing these by the strategy replay would take.
     *
     * @param forget what was found
     * @return its price
     * @throws LetheException when it cannot be done, saying why
     */
    public ReplayPrice replayPrice(ForgetSet forget) {
        return open.replayPrice(forget);
    }

    /**
     * {@return what is wrong with the run's records and ledger, sentences: data that is not what was learned, entries too many}
     */
    public List<String> check() {
        return open.check();
    }

    /** Releases what it holds, after the call that is under way. Again does nothing. */
    @Override
    public void close() {
        open.close();
    }
}
