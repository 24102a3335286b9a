/*
 * The runs that one training and the erasures after it left: an erased person's gradients may lie in each of them. Every run
 * names all others in its lethe.json, so that none is lost with the one that it was made from; and one counts only where both
 * sides name each other, so that a run that names a stranger leads nowhere. A folder that moved together with its neighbours is
 * found beside them.
 */
package dev.lethe.run;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.run.RunInfo.Kin;
import java.io.IOException;
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
import java.util.function.UnaryOperator;

/**
 * @param runs    reached, the one that was asked for first
 * @param missing named by a reached run, not gone by a person's word, and not to be had
 */
public record Lineage(List<RunFolder> runs, List<Missing> missing) {
    /** In place of an identity: the erasure was made by a version that wrote down no kin. */
    private static final String EARLIER = "unknown";

    public Lineage {
        runs = List.copyOf(runs);
        missing = List.copyOf(missing);
    }

    /**
     * A run that cannot be reached.
     *
     * @param run      where it should be
     * @param of       the run that names it
     * @param identity as that one names it
     * @param reason   why it does not count, to follow its path
     */
    public record Missing(Path run, RunFolder of, String identity, String reason) { }

    /** Everything that can be reached from a complete run. Reads descriptions only, changes nothing. */
    public static Lineage of(RunFolder run) {
        Map<Path, RunFolder> found = new LinkedHashMap<>();
        List<Missing> missing = new ArrayList<>();
        Deque<RunFolder> next = new ArrayDeque<>(List.of(run));
        while (!next.isEmpty()) {
            RunFolder one = next.remove();
            if (found.putIfAbsent(real(one.root()), one) == null) {
                if (one.info().lineage() != null && one.info().kin().isEmpty()) {
                    missing.add(new Missing(Path.of(one.info().lineage().parent()), one, EARLIER,
                            "was erased from by an earlier version, which kept no account of who belongs together"));
                }
                for (Kin kin : one.info().kin()) {
                    if (kin.state() != Kin.State.GONE) {
                        next.addAll(look(one, kin, missing));
                    }
                }
            }
        }
        missing.removeIf(one -> found.values().stream().anyMatch(other -> other.identity().equals(one.identity)));
        return new Lineage(List.copyOf(found.values()), missing);
    }

    /** The runs at a path, or beside {@code run} under the same name, that are the one it names. */
    private static List<RunFolder> look(RunFolder run, Kin kin, List<Missing> missing) {
        Path path = Path.of(kin.run());
        Set<Path> places = new LinkedHashSet<>(List.of(real(path), real(run.root()).resolveSibling(path.getFileName())));
        List<RunFolder> found = places.stream().map(Lineage::open)
                .filter(other -> other != null && other.identity().equals(kin.identity()) && names(other, run)).toList();
        boolean never = kin.state() == Kin.State.INTENDED; // made, unless it is there
        if (found.isEmpty() && !never && missing.stream().noneMatch(one -> one.identity.equals(kin.identity()))) {
            missing.add(new Missing(path, run, kin.identity(),
                    Files.exists(path) ? "is not the run that " + run + " knows under that name" : "is not there"));
        }
        return found;
    }

    private static boolean names(RunFolder run, RunFolder other) {
        return run.info().kin().stream().anyMatch(kin -> kin.identity().equals(other.identity()));
    }

    private static RunFolder open(Path path) {
        try {
            RunFolder run = RunFolder.isRun(path) ? RunFolder.openAny(path) : null;
            return run == null || run.info().result() == null ? null : run;
        } catch (BadInputException | DamagedDataException e) {
            return null;
        }
    }

    /** Where a path leads: one run has one, whatever links lead to it. What is not there yet is where it would be. */
    public static Path real(Path path) {
        Path absolute = path.toAbsolutePath().normalize();
        try {
            if (Files.exists(absolute)) {
                return absolute.toRealPath();
            }
            Path above = absolute.getParent();
            return above != null && Files.exists(above) ? above.toRealPath().resolve(absolute.getFileName()) : absolute;
        } catch (IOException e) {
            return absolute;
        }
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
        return Set.copyOf(runs.stream().map(run -> real(run.root())).toList())
                .equals(Set.copyOf(other.runs.stream().map(run -> real(run.root())).toList()));
    }

    /** How another run names this one. */
    public static Kin kin(RunFolder run) {
        return new Kin(real(run.root()).toString(), run.identity(), Kin.State.MADE);
    }

    /** Makes every run name every other. Needs the locks. */
    public void introduce() {
        for (RunFolder run : runs) {
            RunFolder now = RunFolder.openAny(run.root());
            List<Kin> all = new ArrayList<>(now.info().kin());
            all.removeIf(kin -> kin.state() == Kin.State.INTENDED && !RunFolder.isRun(Path.of(kin.run())));
            for (RunFolder other : runs) {
                if (!other.identity().equals(now.identity())) {
                    all.removeIf(kin -> kin.identity().equals(other.identity()));
                    all.add(kin(other));
                }
            }
            if (!all.equals(now.info().kin())) {
                now.save(now.info().withKin(all));
            }
        }
    }

    /**
     * Notes a person's word that a run of the lineage was deleted, in every run that names it. Needs the locks.
     *
     * @throws BadInputException when no reached run misses it
     */
    public void noteGone(Path path) {
        Missing one = missing.stream().filter(other -> real(other.run).equals(real(path))).findFirst()
                .orElseThrow(() -> new BadInputException(path + ": is no run that is missing here" + names()));
        if (one.identity.equals(EARLIER)) {
            one.of.save(one.of.info().withKin(List.of(new Kin(one.run.toString(), EARLIER, Kin.State.GONE))));
        } else {
            change(one.identity, kin -> new Kin(kin.run(), kin.identity(), Kin.State.GONE));
        }
    }

    /**
     * Notes where a missing run has moved to. Needs the locks.
     *
     * @throws BadInputException when the folder holds no run that is missing here
     */
    public void noteMoved(Path to) {
        RunFolder found = open(to);
        Missing one = missing.stream().filter(other -> found != null && other.identity.equals(found.identity())
                        && names(found, other.of)).findFirst()
                .orElseThrow(() -> new BadInputException(to + ": is none of the runs that are missing here" + names()));
        change(one.identity, _ -> kin(found));
    }

    private void change(String identity, UnaryOperator<Kin> how) {
        for (RunFolder run : runs) {
            run.save(run.info().withKin(run.info().kin().stream()
                    .map(kin -> kin.identity().equals(identity) ? how.apply(kin) : kin).toList()));
        }
    }

    private String names() {
        return missing.isEmpty() ? "; none is" : "; missing are " + missing.stream().map(one -> one.run.toString()).toList();
    }
}
