package dev.lethe.data;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Problems;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The records of one file, in file order, held in memory. Formats: {@code .jsonl} (also {@code .ndjson}, {@code .json})
 * with one object a line, {@code .txt} with one record a line, and both with {@code .gz} behind. Blank lines are skipped.
 * A record without an id gets {@code FILESTEM-LINE}. Immutable.
 */
public final class Dataset implements Iterable<TextRecord> {
    private final Path path;
    private final DataForm form;
    private final List<TextRecord> records;
    private final Map<String, TextRecord> byId;

    private Dataset(Path path, DataForm form, List<TextRecord> records) {
        this.path = path;
        this.form = form;
        this.records = List.copyOf(records);
        Map<String, TextRecord> index = HashMap.newHashMap(records.size());
        for (TextRecord record : records) {
            if (index.put(record.id(), record) != null) {
                throw new BadInputException(path + ": id \"" + record.id() + "\" occurs twice");
            }
        }
        this.byId = Collections.unmodifiableMap(index);
    }

    /**
     * Reads a file with the usual names of fields.
     *
     * @param file .jsonl or .txt, also .gz
     * @return the records
     */
    public static Dataset read(Path file) {
        return read(file, DataForm.DEFAULT);
    }

    /**
     * Reads a file whole.
     *
     * @param file .jsonl or .txt, also .gz
     * @param form how the file is read
     * @return the records
     * @throws BadInputException listing up to 20 problems as {@code file:line: what is wrong}
     * @throws dev.lethe.base.InterruptedWorkException when its thread is interrupted
     */
    public static Dataset read(Path file, DataForm form) {
        boolean json = isJson(file);
        if (!json && !form.equals(DataForm.DEFAULT)) {
            throw new BadInputException(file + ": a .txt has neither fields nor conversations; give a .jsonl, or leave out what"
                    + " names them");
        }
        Set<String> seen = new HashSet<>();
        List<TextRecord> records = records(file, record -> record, (text, place, ownId, problems) -> json
                ? RecordParser.parse(text, place, ownId, form, seen, problems)
                : Optional.of(new TextRecord(ownId, null, null, text)));
        for (String field : List.of(form.idField(), form.subjectField())) {
            boolean usual = field.equals(DataForm.DEFAULT.idField()) || field.equals(DataForm.DEFAULT.subjectField());
            if (!usual && !seen.contains(field)) {
                throw new BadInputException(file + ": no record has a field \"" + field + "\"; name one that the file has");
            }
        }
        return new Dataset(file, form, records);
    }

    /** What a line says; {@code ownId} is the id of a record that names none. */
    interface Parser<T> {
        Optional<T> parse(String text, String place, String ownId, Problems problems);
    }

    /** What every line of a file says, at least one, with different ids. @param record whose id and size count */
    static <T> List<T> records(Path file, Function<T, TextRecord> record, Parser<T> parser) {
        Problems problems = new Problems();
        MemoryBudget budget = new MemoryBudget();
        List<T> records = new ArrayList<>();
        Map<String, Integer> lineOfId = new HashMap<>();
        String stem = stem(file);
        Lines.read(file, problems, (number, text) -> {
            String place = file + ":" + number;
            Optional<T> said = text.isBlank() ? Optional.empty()
                    : parser.parse(text, place, stem + "-" + number, problems);
            said.ifPresent(one -> {
                String id = record.apply(one).id();
                Integer first = lineOfId.putIfAbsent(id, number);
                if (first == null) {
                    budget.add(record.apply(one), place);
                    records.add(one);
                } else {
                    problems.add(place + ": id \"" + id + "\" is already that of line " + first);
                }
            });
        });
        problems.throwIfAny();
        if (records.isEmpty()) {
            throw new BadInputException(file + ": no records in it");
        }
        return records;
    }

    /**
     * A data set made in memory; {@code path} is only its name in messages. Ids must differ.
     *
     * @param path where it lies
     * @param records in their order
     * @return the data
     */
    public static Dataset of(Path path, List<TextRecord> records) {
        return of(path, DataForm.DEFAULT, records);
    }

    /**
     * As the other; {@code form} is how the file that they stand for is read.
     *
     * @param path where it lies
     * @param form how the file is read
     * @param records in their order
     * @return the data
     */
    public static Dataset of(Path path, DataForm form, List<TextRecord> records) {
        return new Dataset(path, form, records);
    }

    /** {@return how it was read} */
    public DataForm form() {
        return form;
    }

    /** {@return the file the records came from} */
    public Path path() {
        return path;
    }

    /** {@return the records, in the file's order} */
    public List<TextRecord> records() {
        return records;
    }

    /**
     * The records that match, in the same order; may be empty.
     *
     * @param keep true of what stays
     * @return the rest
     */
    public Dataset filter(Predicate<TextRecord> keep) {
        return new Dataset(path, form, records.stream().filter(keep).toList());
    }

    /**
     * {@return the record with this id, or null}
     *
     * @param id unique in its data
     */
    public @Nullable TextRecord byId(String id) {
        return byId.get(id);
    }

    /** {@return how many records there are} */
    public int size() {
        return records.size();
    }

    /** {@return whether there is no record} */
    public boolean isEmpty() {
        return records.isEmpty();
    }

    /** {@return every subject, in order of first appearance; records without one add nothing} */
    public Set<String> subjects() {
        Set<String> subjects = new LinkedHashSet<>();
        for (TextRecord record : records) {
            if (record.subject() != null) {
                subjects.add(record.subject());
            }
        }
        return Collections.unmodifiableSet(subjects);
    }

    @Override
    public Iterator<TextRecord> iterator() {
        return records.iterator();
    }

    private static boolean isJson(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        String plain = name.endsWith(".gz") ? name.substring(0, name.length() - 3) : name;
        if (plain.endsWith(".jsonl") || plain.endsWith(".ndjson") || plain.endsWith(".json")) {
            return true;
        }
        if (plain.endsWith(".txt")) {
            return false;
        }
        throw new BadInputException(file + ": unknown kind of data file; the name must end in .jsonl, .json, .ndjson or "
                + ".txt, or one of these and .gz");
    }

    /** The file's name without its ending, for the ids of records without one. */
    static String stem(Path file) {
        String name = file.getFileName().toString();
        String plain = name.toLowerCase(Locale.ROOT).endsWith(".gz") ? name.substring(0, name.length() - 3) : name;
        return plain.lastIndexOf('.') < 0 ? plain : plain.substring(0, plain.lastIndexOf('.'));
    }

    /**
     * What the records of a file take in memory, about: a small gzip file can hold more of them than Java has room for, and
     * that is better said at a line than found out as an OutOfMemoryError. Counts low, so that what fits is never refused.
     */
    static final class MemoryBudget {
        private static final long RECORD_BYTES = 250; // measured: a record of 17 characters in a Dataset took 270 to 300

        private static final long OWN_BYTES = 2 << 20; // less than a command has taken before it reads

        private final long most = Runtime.getRuntime().maxMemory();
        private final long limit = most - OWN_BYTES;
        private long taken;

        /** @throws BadInputException when there is no room for this one */
        void add(TextRecord record, String place) {
            taken += RECORD_BYTES + length(record.id()) + length(record.subject()) + length(record.prompt())
                    + length(record.completion()) + (record.conversation() == null ? 0 : length(record.text()));
            if (taken > limit) {
                throw new BadInputException(place + ": the records up to here need more than the " + (most >> 20)
                        + " MiB that Java may take; give it more with LETHE_JAVA_OPTS=-Xmx8g, or use a part of the file");
            }
        }

        private static long length(String text) {
            return text == null ? 0 : text.length();
        }
    }
}
