/*
 * The runs that one training and the erasures after it left: an erased person's gradients may lie in each of them. Followed
 * from run to run over what they say of each other in lethe.json, and only where both sides say the same, so that a run that
 * names a stranger as its parent leads nowhere. A folder that moved together with its neighbours is found beside them.
 */
package dev.lethe.train;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.DamagedDataException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * @param runs    reached, the one that was asked for first
 * @param missing named by a reached run, not gone by a person's word, and not to be had
 */
public record Lineage(List<RunFolder> runs, List<Missing> missing) {
    public Lineage {
        runs = List.copyOf(runs);
        missing = List.copyOf(missing);
    }

    /**
     * A run that cannot be reached.
     *
     * @param run    where it should be
     * @param of     the run that names it
     * @param hash   {@link Trainer#modelHash} of its model when it is the parent of {@code of}, else null
     * @param erasure that made it when it is a child, else null
     * @param reason why it does not count, to follow its path
     */
    public record Missing(Path run, RunFolder of, String hash, String erasure, String reason) {
        /** Whether the run is this one, wherever it lies. */
        private boolean is(RunFolder other) {
            return hash != null ? hash.equals(other.info().result().modelHash())
                    : other.info().lineage() != null && erasure.equals(other.info().lineage().erasure());
        }
    }

    /** Everything that can be reached from a complete run. Reads descriptions only, changes nothing. */
    public static Lineage of(RunFolder run) {
        Map<Path, RunFolder> found = new LinkedHashMap<>();
        List<Missing> missing = new ArrayList<>();
        Deque<RunFolder> next = new ArrayDeque<>(List.of(run));
        while (!next.isEmpty()) {
            RunFolder one = next.remove();
            if (found.putIfAbsent(one.root().toAbsolutePath().normalize(), one) == null) {
                next.addAll(neighbours(one, missing));
            }
        }
        missing.removeIf(one -> found.values().stream().anyMatch(one::is)); // reached by another way
        return new Lineage(List.copyOf(found.values()), missing);
    }

    private static List<RunFolder> neighbours(RunFolder run, List<Missing> missing) {
        List<RunFolder> all = new ArrayList<>();
        RunInfo.Lineage parent = run.info().lineage();
        if (parent != null && !parent.parentGone()) {
            all.addAll(look(run, Path.of(parent.parent()), parent.parentHash(), null, missing));
        }
        for (RunInfo.Child child : run.info().children()) {
            if (child.state() == RunInfo.Child.State.MADE) {
                all.addAll(look(run, Path.of(child.run()), null, child.erasure(), missing));
            } else if (child.state() == RunInfo.Child.State.INTENDED) {
                all.addAll(look(run, Path.of(child.run()), null, child.erasure(), new ArrayList<>())); // never made, unless it is there
            }
        }
        return all;
    }

    /** The runs at a path, or beside {@code run} under the same name, that belong to it. */
    private static List<RunFolder> look(RunFolder run, Path path, String hash, String erasure, List<Missing> missing) {
        Set<Path> places = new LinkedHashSet<>(List.of(path.toAbsolutePath().normalize(),
                run.root().toAbsolutePath().normalize().resolveSibling(path.getFileName())));
        List<RunFolder> found = places.stream().map(Lineage::open).filter(other -> other != null && related(run, other)).toList();
        if (found.isEmpty()) {
            missing.add(new Missing(path, run, hash, erasure, Files.exists(path)
                    ? "is not the run that " + run + " knows under that name" : "is not there"));
        }
        return found;
    }

    private static RunFolder open(Path path) {
        try {
            RunFolder run = RunFolder.isRun(path) ? RunFolder.openAny(path) : null;
            return run == null || run.info().result() == null ? null : run;
        } catch (BadInputException | DamagedDataException e) {
            return null;
        }
    }

    /** Whether one was made from the other by an erasure that both know. */
    static boolean related(RunFolder one, RunFolder other) {
        return made(one, other) || made(other, one);
    }

    private static boolean made(RunFolder parent, RunFolder child) {
        RunInfo.Lineage from = child.info().lineage();
        return from != null && parent.info().result().modelHash().equals(from.parentHash())
                && parent.info().children().stream().anyMatch(one -> one.erasure().equals(from.erasure()));
    }

    /** Takes every run's lock, or none: whoever holds them may write into the runs. */
    public Locks lock() {
        Locks locks = new Locks(new ArrayList<>());
        try {
            for (RunFolder run : runs) {
                locks.held.add(RunLock.take(run.root().resolve(RunFolder.LOCK)));
            }
            return locks;
        } catch (RuntimeException e) {
            locks.close();
            throw e;
        }
    }

    /** Locks on runs. */
    public record Locks(List<RunLock> held) implements AutoCloseable {
        /** Gives all of them up, whichever fails. */
        @Override
        public void close() {
            UncheckedIOException failure = null;
            for (RunLock lock : held) {
                try {
                    lock.close();
                } catch (UncheckedIOException e) {
                    failure = e;
                }
            }
            if (failure != null) {
                throw failure;
            }
        }
    }

    /** Whether the same runs are in it. */
    public boolean sameRuns(Lineage other) {
        return Set.copyOf(roots()).equals(Set.copyOf(other.roots()));
    }

    private List<Path> roots() {
        return runs.stream().map(run -> run.root().toAbsolutePath().normalize()).toList();
    }

    /**
     * Notes a person's word that a run of the lineage was deleted, in whichever run names it.
     *
     * @throws BadInputException when no reached run misses it
     */
    public void noteGone(Path path) {
        Missing one = require(path);
        RunInfo info = one.of.info();
        one.of.save(one.hash != null ? info.withLineage(info.lineage().gone())
                : info.withChildren(info.children().stream().map(child -> Path.of(child.run()).equals(one.run)
                        ? new RunInfo.Child(child.run(), child.erasure(), RunInfo.Child.State.GONE) : child).toList()));
    }

    /**
     * Notes where a missing run has moved to.
     *
     * @throws BadInputException when the folder holds no run that is missing here
     */
    public void noteMoved(Path to) {
        RunFolder found = open(to);
        for (Missing one : missing) {
            if (found != null && related(one.of, found)) {
                RunInfo info = one.of.info();
                String place = to.toAbsolutePath().normalize().toString();
                one.of.save(one.hash != null ? info.withLineage(info.lineage().at(place))
                        : info.withChildren(info.children().stream().map(child ->
                                child.erasure().equals(found.info().lineage().erasure())
                                        ? new RunInfo.Child(place, child.erasure(), child.state()) : child).toList()));
                return;
            }
        }
        throw new BadInputException(to + ": is none of the runs that are missing here" + names());
    }

    private Missing require(Path path) {
        Path wanted = path.toAbsolutePath().normalize();
        return missing.stream().filter(one -> one.run.toAbsolutePath().normalize().equals(wanted)).findFirst()
                .orElseThrow(() -> new BadInputException(path + ": is no run that is missing here" + names()));
    }

    private String names() {
        return missing.isEmpty() ? "; none is" : "; missing are " + missing.stream().map(one -> one.run.toString()).toList();
    }
}
