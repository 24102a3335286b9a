package dev.lethe.erase;

import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.eval.Evaluator;
import dev.lethe.find.Finder;
import dev.lethe.find.ForgetSet;
import dev.lethe.find.Query;
import dev.lethe.influence.FactorShards;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.objective.RunExamples;
import dev.lethe.results.EraseListener;
import dev.lethe.results.Erasure;
import dev.lethe.results.Erasure.Trial;
import dev.lethe.results.Evaluation;
import dev.lethe.results.ReplayPrice;
import dev.lethe.results.Score;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Strategy;
import dev.lethe.shape.Dtype;
import dev.lethe.strategy.SetLoss.GuardRefusedException;
import dev.lethe.train.Replay;
import dev.lethe.train.RunCheck;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.IntConsumer;
import java.util.function.Supplier;

/**
 * A trained run that is open: records to find, a model to ask, erasures into new runs.
 *
 * <p>Any thread, one at a time: calls wait for each other, {@link #close} too. The work is done on a thread of Lethe's
 * ({@link Work}), so that a virtual thread that calls holds up no other. Interrupting the caller ends it with
 * {@link InterruptedWorkException}; nothing is changed then, and an erasure that is being put in its place is not ended any more.
 */
public final class OpenRun implements AutoCloseable {
    private final Engine engine;
    private final RunFolder folder;
    private final Dataset given;
    private final Semaphore turn = new Semaphore(1, true);
    private volatile Thread user; // who has the turn
    private RunExamples examples;
    private Finder finder;
    private LanguageModel model; // once asked for, with its tokenizer
    private Tokenizer tokenizer;
    private boolean closed;

    private OpenRun(Engine engine, RunFolder folder, Dataset given) {
        this.engine = engine;
        this.folder = folder;
        this.given = given;
    }

    /**
     * Opens a complete run; its records are read when first needed.
     *
     * @throws dev.lethe.base.BadInputException when there is none, it is unfinished or another version made it
     */
    public static OpenRun open(Engine engine, Path path) {
        return open(engine, path, null);
    }

    /** As {@link #open(Engine, Path)}; {@code data} stands in for the run's data file, which may have moved. */
    public static OpenRun open(Engine engine, Path path, Dataset data) {
        return Work.run("open", () -> new OpenRun(engine, RunFolder.open(path), data));
    }

    /** The run on disk. */
    public RunFolder folder() {
        return folder;
    }

    /** The records the run learned and has not erased, in the data's order. */
    public List<TextRecord> records() {
        return alone("records", () -> examples().data().records());
    }

    /** Looks for records among those learned; changes nothing. Throws as {@link Finder#find}. */
    public ForgetSet find(Query query) {
        return alone("find", () -> {
            if (finder == null) {
                finder = new Finder(records());
            }
            return finder.find(query);
        });
    }

    /**
     * Learned records that are equal or nearly equal to one to forget and not among the matches, and held-out ones that are
     * to any learned: what {@link EraseConfig#copies} decides about. Changes nothing.
     */
    public List<Copy> copies(ForgetSet forget) {
        return alone("copies", () -> examples().copiesOf(forget.ids(), Copy.Rule.KEEP));
    }

    /**
     * What erasing these by {@link Strategy#REPLAY} would take. Changes nothing.
     *
     * @throws dev.lethe.base.BadInputException when it cannot be done, saying why
     */
    public ReplayPrice replayPrice(ForgetSet forget) {
        return alone("price", () -> Replay.price(folder, forget.ids()));
    }

    /** What is wrong with the run's records and ledger as they are on disk now, sentences. Changes nothing. */
    public List<String> check() {
        return alone("check", () -> {
            RunFolder now = RunFolder.open(folder.root());
            List<String> problems = new ArrayList<>(RunCheck.records(now));
            Work.check(folder + ": the check was interrupted");
            problems.addAll(now.hasLedger() ? RunCheck.ledger(now) : List.of());
            return problems;
        });
    }

    /**
     * Scores records by the run's model, forward only: learned ones ({@link #records}), held-out ones or any others. The model
     * is read when first asked and stays until the run is closed.
     *
     * @param progress told the number of records done, on the working thread
     */
    public Evaluation evaluate(List<TextRecord> records, IntConsumer progress) {
        return alone("evaluation", () -> {
            model();
            return new Evaluator(progress).evaluate(model, RunExamples.encode(tokenizer, model.shape(), records),
                    example -> tokenizer.decode(example.saidTokens(tokenizer.endOfText())));
        });
    }

    /**
     * Ranks learned records by the inner products of their captured gradients with the mean gradient of these, highest first.
     *
     * @throws BadInputException when the run has no ledger
     */
    public List<Score> score(List<TextRecord> query) {
        return alone("scores", () -> {
            if (!folder.hasLedger()) {
                throw new BadInputException(folder + ": has no ledger, and scores need the gradients captured in training; train with"
                        + " a capture");
            }
            model();
            Map<RecordKey, String> names = new HashMap<>();
            folder.records().forEach(record -> names.put(RecordKey.of(record.id()), record.id()));
            List<Score> scores = new ArrayList<>();
            InfluenceQuery asked = new InfluenceQuery("query", RunExamples.encode(tokenizer, model.shape(), query));
            try (GradientLedger ledger = GradientLedger.open(folder.ledger())) {
                ledger.requireModel(folder.info().source().modelHash());
                new InfluenceScorer(model, ScoreOptions.defaults()).scores(ledger, ledger.entries(), List.of(asked), Weighing.SUM, null,
                        found -> found.records().forEach(one -> scores.add(new Score(names.get(one.key()), one.total()))));
            }
            return scores.stream().sorted(Comparator.comparingDouble(Score::value).reversed()).toList();
        });
    }

    /**
     * Erases into a new run.
     *
     * @param out      a folder that does not exist or is empty
     * @param listener told of every move, on the erasing thread
     * @return the account, which the new run keeps in its journal
     * @throws dev.lethe.base.BadInputException when the request cannot be carried out as it is
     * @throws GuardRefusedException              when the reference cannot be reached within the guards; nothing changed
     * @throws InterruptedWorkException           on interrupt; nothing changed
     * @throws dev.lethe.run.PendingErasure.PendingErasureException when the new run is there and something of the erased could not be
     *                                            destroyed; {@link #finish} goes on with it
     */
    public Erasure erase(ForgetSet forget, EraseConfig config, Path out, EraseListener listener) {
        return alone("erasure", () -> eraser(config, listener).erase(forget.requireErasable(), examples(), out));
    }

    /**
     * The curvature that an erasure by {@link Strategy#GAUSS_NEWTON} would compute from the ledger, to be computed by shards: all of them
     * are its {@link EraseConfig#factors}. Changes nothing.
     *
     * @param use is given it, on a working thread, and must not keep it
     * @throws dev.lethe.base.BadInputException when the configuration takes no such curvature
     */
    public <T> T curvature(ForgetSet forget, EraseConfig config, Function<FactorShards, T> use) {
        return alone("curvature", () -> eraser(config, EraseListener.NONE).curvature(forget.requireErasable(), examples(), use));
    }

    /**
     * Erases what records say without looking for them among those learned (Zagardo 2024, iterative unlearning): ascends
     * along the request's own gradients in rounds until its influence is gone. Nothing leaves the run's records or its
     * ledger, and repair would teach again what is repeated there.
     *
     * @param request the records to forget, in their own words
     * @param config  with {@link EraseConfig#iterative()}
     */
    public Erasure eraseUnmatched(List<TextRecord> request, EraseConfig config, Path out, EraseListener listener) {
        if (request.isEmpty() || config.iterative() == null) {
            throw new IllegalArgumentException("an erasure without matching of " + request.size() + " records, iterative "
                    + config.iterative() + ": it needs a record, and rounds to take");
        }
        return alone("erasure", () -> eraser(config, listener).eraseUnmatched(request, examples(), out));
    }

    /**
     * Carries an erasure out in memory, for experiments: the guards are only told, nothing stays written, the ledger stays.
     *
     * @param use is given the moved model, on the erasing thread, and must not keep it
     * @throws dev.lethe.base.BadInputException as {@link #erase}
     * @throws InterruptedWorkException           on interrupt
     */
    public Trial trial(ForgetSet forget, EraseConfig config, EraseListener listener, Consumer<LanguageModel> use) {
        return alone("erasure", () -> eraser(config, listener).trial(forget.requireErasable(), examples(), use));
    }

    /** As {@link #trial} for {@link #eraseUnmatched}. */
    public Trial trialUnmatched(List<TextRecord> request, EraseConfig config, EraseListener listener,
                                Consumer<LanguageModel> use) {
        return alone("erasure", () -> eraser(config, listener).trialUnmatched(request, examples(), use));
    }

    /**
     * Destroys what the runs of a lineage still hold of erased records when an erasure was cut off there.
     *
     * @param path  any run of the lineage
     * @param gone  runs of it that were deleted, by the caller's word
     * @param found where runs of it have moved to
     * @return the accounts of the erasures that were finished; empty when none was pending
     * @throws dev.lethe.run.PendingErasure.PendingErasureException when something is still left
     */
    public static List<Erasure> finish(Path path, List<Path> gone, List<Path> found) {
        return Finish.of(path, gone, found);
    }

    /** Reads the model where that was not done yet; call it alone. */
    private void model() {
        if (model == null) {
            Tokenizer read = Tokenizer.of(folder.model());
            model = Checkpoint.load(engine, folder.model(), Dtype.F32);
            tokenizer = read;
        }
        model.own();
    }

    private RunExamples examples() {
        if (examples == null) {
            examples = RunExamples.of(folder, given);
        }
        return examples;
    }

    private Eraser eraser(EraseConfig config, EraseListener listener) {
        return new Eraser(engine, folder, config, listener);
    }

    private <T> T alone(String what, Supplier<T> body) {
        return alone(() -> {
            if (closed) {
                throw new IllegalStateException(folder + ": this run is closed; open it again");
            }
            return Work.run(what, body);
        });
    }

    /** A listener may call from within: it works for the same caller. */
    private <T> T alone(Supplier<T> body) {
        Thread me = Work.caller();
        if (user == me) {
            return body.get();
        }
        if (!turn.tryAcquire()) { // which an interrupt does not keep from work that is done at once, or ends by itself
            try {
                turn.acquire();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedWorkException(folder + ": interrupted while another thread was at work with this run", e);
            }
        }
        return use(me, body);
    }

    private <T> T use(Thread me, Supplier<T> body) {
        try {
            user = me;
            return body.get();
        } finally {
            user = null;
            turn.release();
        }
    }

    /** Releases the model and the search index, after the call that is under way, interrupted or not. Idempotent. */
    @Override
    public void close() {
        Thread me = Work.caller();
        if (user == me) {
            release();
            return;
        }
        turn.acquireUninterruptibly();
        use(me, () -> {
            release();
            return null;
        });
    }

    private void release() {
        closed = true;
        if (finder != null) {
            finder.close();
            finder = null;
        }
        if (model != null) {
            model.own();
            model.close();
            tokenizer.close();
            model = null;
        }
    }
}
