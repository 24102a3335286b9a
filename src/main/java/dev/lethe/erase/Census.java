/*
 * Where records may still stand: every file of a run, a study's or a demo's folder by what it could tell of a record, then
 * what lies outside and is named inside: data files, and the runs it descends from. Reads; changes nothing. A copy that
 * nobody wrote down (a backup, a file that --json or --csv named) is not found here.
 */
package dev.lethe.erase;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Work;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerKeys;
import dev.lethe.results.Trace;
import dev.lethe.run.Lineage;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.train.Replay;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Counts the places. Confined to the thread of its one call. */
public final class Census {
    /** What to look for. A text that comes up by chance makes a place too many, so short ones are left out of {@link #of}. */
    public record Search(Set<String> ids, List<String> texts) {
        private static final int TELLING = 16;

        /** The ids of records, their texts, and their prompts and completions where those are long enough to tell. */
        public static Search of(Collection<TextRecord> records) {
            Set<String> texts = new LinkedHashSet<>();
            for (TextRecord record : records) {
                texts.add(record.text());
                record.parts().stream().filter(part -> part.length() >= TELLING).forEach(texts::add);
            }
            return new Search(records.stream().map(TextRecord::id).collect(Collectors.toCollection(LinkedHashSet::new)),
                    List.copyOf(texts));
        }
    }

    /** Files of one kind in one folder make one place; data and unknown files each their own. */
    private record Group(Path folder, FileKind kind) { }

    private final Search search; // null: only count
    private final FileSearch needles;
    private final Set<Path> seen = new HashSet<>();
    private final Map<Path, RunFolder> runs = new HashMap<>();
    private final Set<Path> data = new HashSet<>();
    private final List<Trace> places = new ArrayList<>();

    private Census(Search search) {
        this.search = search;
        this.needles = search == null ? null : new FileSearch(search.ids(), search.texts());
    }

    /**
     * The places of a folder that may hold personal data, those outside that it names, and what a killed erasure left.
     *
     * @param search what to look for in each, or null
     * @throws BadInputException when the folder cannot be read
     */
    public static List<Trace> of(Path root, Search search) {
        Census census = new Census(search);
        return Io.reading(root, () -> {
            Path folder = root.toAbsolutePath().normalize();
            census.visit(folder);
            for (Path left : List.of(GrowingFolder.of(folder), GrowingFolder.trialOf(folder))) {
                if (Files.isDirectory(left)) {
                    census.visit(left);
                }
            }
            return List.copyOf(census.places);
        });
    }

    private void visit(Path root) throws IOException {
        if (!seen.add(root)) {
            return;
        }
        List<Path> files;
        try (Stream<Path> inside = Files.walk(root)) {
            files = inside.filter(path -> !Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)).sorted().toList();
        }
        List<RunFolder> own = new ArrayList<>();
        for (Path file : files) {
            RunFolder run = file.endsWith(RunFolder.INFO) ? opened(file.getParent()) : null;
            if (run != null) {
                runs.put(run.root(), run);
                data.addAll(files(run.info()));
                own.add(run);
            }
        }
        Map<Group, List<Path>> groups = new TreeMap<>(Comparator.comparing(Group::folder).thenComparing(Group::kind));
        for (Path file : files) {
            FileKind kind = data.contains(file) ? FileKind.DATA : !isFile(file) ? FileKind.UNKNOWN
                    : FileKind.of(root.relativize(file).toString().replace('\\', '/'));
            boolean alone = kind == FileKind.DATA || kind == FileKind.UNKNOWN;
            groups.computeIfAbsent(new Group(alone ? file : file.getParent(), kind), _ -> new ArrayList<>()).add(file);
        }
        for (Map.Entry<Group, List<Path>> group : groups.entrySet()) {
            Work.check(root + ": looking through it was interrupted");
            place(group.getKey(), group.getValue());
        }
        for (RunFolder run : own) {
            outside(root, run);
        }
    }

    /** Null when it cannot be read. */
    private static RunFolder opened(Path root) {
        try {
            return RunFolder.openAny(root);
        } catch (BadInputException | DamagedDataException e) {
            return null;
        }
    }

    private void place(Group group, List<Path> files) throws IOException {
        FileKind kind = group.kind();
        long bytes = 0;
        Trace.Found found = search == null ? null : Trace.Found.NO;
        for (Path file : files) {
            bytes += isFile(file) ? Files.size(file) : 0;
            if (search != null && kind.look == FileKind.Look.BYTES && found != Trace.Found.YES) {
                found = look(file, found);
            }
        }
        Path folder = group.folder();
        Path above = folder.getParent();
        boolean below = kind == FileKind.KEPT || kind == FileKind.LEDGER && !runs.containsKey(above); // a folder of the ledger's
        RunFolder run = runs.get(kind == FileKind.RECORDS ? folder : below ? above.getParent() : above);
        Long records = null;
        if (kind == FileKind.RECORDS) {
            records = lines(files.getFirst());
        } else if (kind == FileKind.LEDGER) {
            Long[] live = live(group.folder());
            records = live[0];
            found = search == null ? null : live[1] == null ? Trace.Found.CANNOT_TELL : live[1] > 0 ? Trace.Found.YES : Trace.Found.NO;
        } else if (search != null && kind == FileKind.KEPT && run != null) {
            found = Replay.hasSeen(run, folder, search.ids()) ? Trace.Found.YES : Trace.Found.NO;
        } else if (search != null && kind.look == FileKind.Look.KEYED) {
            found = run != null && !run.erasedAmong(search.ids()).isEmpty() ? Trace.Found.YES : Trace.Found.NO;
        } else if (search != null && kind.look == FileKind.Look.OPAQUE
                && (search.ids().isEmpty() || !erasedFrom(run).containsAll(search.ids()))) {
            found = Trace.Found.CANNOT_TELL;
        }
        if (kind.reach == null && found != Trace.Found.YES) {
            return;
        }
        Trace.Reach reach = kind.reach == null ? Trace.Reach.RUN
                : kind.reach == Trace.Reach.ERASE && run == null ? Trace.Reach.YOURS : kind.reach;
        String holds = kind == FileKind.RECORDS && run != null && run.info().config().keepText() ? "ids, texts"
                : kind == FileKind.LEDGER ? kind.holds + keys(group.folder()) : kind.holds;
        places.add(new Trace((files.size() == 1 ? files.getFirst() : group.folder()).toString(),
                kind.name().toLowerCase(Locale.ROOT), holds, records, files.size(), bytes, reach, found));
    }

    /** As far as is known; a link is not followed, a file that cannot be read does not tell. */
    private Trace.Found look(Path file, Trace.Found before) {
        if (!isFile(file)) {
            return Trace.Found.CANNOT_TELL;
        }
        try {
            return needles.in(file) ? Trace.Found.YES : before;
        } catch (IOException e) {
            return Trace.Found.CANNOT_TELL;
        }
    }

    private boolean isFile(Path file) {
        return data.contains(file) ? Files.isRegularFile(file) : Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS);
    }

    /** Live entries, and those of the ids looked for; null where it cannot be known. */
    private Long[] live(Path ledger) {
        Set<RecordKey> keys = search == null ? Set.of()
                : search.ids().stream().map(RecordKey::of).collect(Collectors.toSet());
        try (GradientLedger open = GradientLedger.open(ledger)) {
            List<Entry> own = open.ownEntries();
            return new Long[] {own.stream().filter(entry -> !entry.destroyed()).count(), keys.isEmpty() ? null
                    : own.stream().filter(entry -> keys.contains(entry.header().key())).count()};
        } catch (BadInputException | DamagedDataException e) {
            return new Long[] {null, null};
        }
    }

    /** That a ledger lies under keys, and where; nothing of one in the clear. */
    private static String keys(Path ledger) {
        try (GradientLedger open = GradientLedger.open(ledger)) {
            return open.manifest().keys() == null ? "" : ", under keys in " + LedgerKeys.place(Path.of(open.manifest().keys().folder()));
        } catch (BadInputException | DamagedDataException e) {
            return "";
        }
    }

    /** Which of the ids looked for erasures took out of this run's model, on the way to it. */
    private Set<String> erasedFrom(RunFolder run) {
        Set<String> ids = new HashSet<>();
        Set<Path> visited = new HashSet<>();
        for (RunFolder at = run; at != null && at.info().lineage() != null && visited.add(at.root()); ) {
            ids.addAll(at.erasedAmong(search.ids()));
            at = opened(Path.of(at.info().lineage().parent()));
        }
        return ids;
    }

    /** The run's data files and the runs of its lineage, where they lie elsewhere. */
    private void outside(Path root, RunFolder run) throws IOException {
        for (Path file : files(run.info())) {
            if (Files.isRegularFile(file) && !file.startsWith(root) && seen.add(file)) {
                place(new Group(file, FileKind.DATA), List.of(file));
            }
        }
        if (run.info().result() == null) {
            return;
        }
        for (RunInfo.Kin kin : run.info().kin()) {
            Path growing = GrowingFolder.of(Path.of(kin.run()));
            if (kin.state() == RunInfo.Kin.State.INTENDED && Files.isDirectory(growing)) {
                visit(growing); // of a killed erasure; the next one removes it
            }
        }
        Lineage lineage = Lineage.of(run);
        for (RunFolder other : lineage.runs()) {
            Path folder = other.root().toAbsolutePath().normalize();
            if (!folder.startsWith(root)) {
                visit(folder);
            }
        }
        for (Lineage.Missing missing : lineage.missing()) {
            if (seen.add(missing.run())) {
                places.add(new Trace(missing.run().toString(), "run", missing.reason() + ": deleted, or moved and still yours to"
                        + " look through", null, 0, 0, Trace.Reach.YOURS, search == null ? null : Trace.Found.CANNOT_TELL));
            }
        }
    }

    private static List<Path> files(RunInfo info) {
        Stream<Path> data = Stream.of(info.data().path(), info.data().holdoutPath()).filter(Objects::nonNull).map(Path::of);
        return Stream.concat(data, Stream.ofNullable(info.config().late())).map(path -> path.toAbsolutePath().normalize()).toList();
    }

    /** The places where what was looked for is, or may be, and which an erasure does not clean: for its account. */
    public static List<Trace> left(List<Trace> places) {
        return places.stream().filter(place -> place.found() != Trace.Found.NO
                && (place.reach() == Trace.Reach.RUN || place.reach() == Trace.Reach.YOURS)).toList();
    }

    private static Long lines(Path file) {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.count();
        } catch (IOException | UncheckedIOException e) {
            return null;
        }
    }
}
