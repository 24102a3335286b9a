package dev.lethe.unlearn;

import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Work;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.apache.commons.text.similarity.LevenshteinDistance;

/**
 * Answers queries over training records: by id, by subject, word for word, or by likeness of words. Each match comes
 * with a score and a reason, so that a person can judge it before anything is erased. The index for likeness is built
 * at the first fuzzy query and kept until close. Not thread-safe.
 */
public final class Finder implements AutoCloseable {
    static final String INTERRUPTED = "the search was interrupted";
    private static final int NEAR_MISSES = 3;
    private static final int NEAR = 30; // points below the threshold that still count as a near miss
    private static final int WORDS_SHOWN = 12;

    private final List<Record> records;
    private CandidateIndex index;

    public Finder(List<Record> records) {
        this.records = List.copyOf(records);
    }

    /**
     * Finds the records a query means, best first, in the data's order among equals.
     *
     * @throws dev.lethe.engine.InterruptedWorkException when the thread is interrupted
     * @throws BadInputException for ids or a subject that the data does not have; the message names near ones
     */
    public ForgetSet find(Query query) {
        return Work.run("find", () -> {
            Work.check(INTERRUPTED);
            return switch (query) {
                case Query.Ids ids -> byId(ids);
                case Query.Subject subject -> bySubject(subject);
                case Query.ExactText text -> byText(text);
                case Query.FuzzyText text -> byLikeness(text);
            };
        });
    }

    /** Builds the index now rather than at the first fuzzy query. */
    public void prepare() {
        if (index == null) {
            index = Work.run("find", () -> new CandidateIndex(records));
        }
    }

    @Override
    public void close() {
        if (index != null) {
            index.close();
            index = null;
        }
    }

    private ForgetSet byId(Query.Ids query) {
        Set<String> wanted = query.ids();
        List<Match> matches = records.stream().filter(record -> wanted.contains(record.id()))
                .map(record -> new Match(record.id(), 100, "id " + record.id())).toList();
        if (matches.size() < wanted.size()) {
            Map<String, Record> byId = new HashMap<>();
            records.forEach(record -> byId.put(record.id(), record));
            List<String> unknown = wanted.stream().filter(id -> !byId.containsKey(id)).toList();
            throw new BadInputException(unknown("record id", unknown, byId.keySet()));
        }
        return new ForgetSet(query, matches, List.of(), records.size());
    }

    private ForgetSet bySubject(Query.Subject query) {
        String subject = query.subject();
        List<Match> matches = records.stream().filter(record -> subject.equals(record.subject()))
                .map(record -> new Match(record.id(), 100, "subject " + subject)).toList();
        if (matches.isEmpty()) {
            Set<String> subjects = new TreeSet<>();
            records.stream().map(Record::subject).filter(Objects::nonNull).forEach(subjects::add);
            throw new BadInputException(subjects.isEmpty()
                    ? "unknown subject " + subject + ": no record of this data has a subject; use --ids or --text"
                    : unknown("subject", List.of(subject), subjects));
        }
        return new ForgetSet(query, matches, List.of(), records.size());
    }

    private ForgetSet byText(Query.ExactText query) {
        List<Match> matches = records.stream().map(record -> exact(record, query.text()))
                .filter(Objects::nonNull).toList();
        return new ForgetSet(query, matches, List.of(), records.size());
    }

    private static Match exact(Record record, String wanted) {
        String text = record.text();
        if (text.strip().equals(wanted)) {
            return new Match(record.id(), 100, "its whole text is the text looked for");
        }
        if (record.completion().strip().equals(wanted)) {
            return new Match(record.id(), 100, "its whole completion is the text looked for");
        }
        for (int at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
            int end = at + wanted.length();
            boolean starts = at == 0 || !joined(text.charAt(at - 1), text.charAt(at));
            boolean ends = end == text.length() || !joined(text.charAt(end - 1), text.charAt(end));
            if (starts && ends) {
                return new Match(record.id(), 100, "its text contains the text looked for, from character " + (at + 1));
            }
        }
        return null;
    }

    private static boolean joined(char a, char b) {
        return Character.isLetterOrDigit(a) && Character.isLetterOrDigit(b);
    }

    private ForgetSet byLikeness(Query.FuzzyText query) {
        prepare();
        TokenSet wanted = TokenSet.of(query.text());
        if (wanted.words.length == 0) {
            throw new BadInputException("--text '" + query.text() + "' has no letter or digit to look for");
        }
        int[] candidates = index.candidates(wanted);
        Arrays.sort(candidates);
        double floor = query.threshold() - NEAR;
        double[] scores = IntStream.of(candidates).parallel()
                .mapToDouble(i -> wanted.ratio(TokenSet.of(records.get(i).text()), floor)).toArray();
        List<Match> matches = best(candidates, scores, query.threshold(), wanted);
        List<Match> misses = matches.isEmpty() ? best(candidates, scores, Math.max(floor, 1), wanted) : List.of();
        misses = misses.subList(0, Math.min(NEAR_MISSES, misses.size()));
        return new ForgetSet(query, matches, misses, records.size());
    }

    /** The candidates that reach a score, best first, in the data's order among equals. */
    private List<Match> best(int[] candidates, double[] scores, double least, TokenSet wanted) {
        return IntStream.range(0, candidates.length).filter(i -> scores[i] >= least).boxed()
                .sorted(Comparator.comparingDouble(i -> -scores[i]))
                .map(i -> match(records.get(candidates[i]), scores[i], wanted)).toList();
    }

    private static Match match(Record record, double score, TokenSet wanted) {
        return new Match(record.id(), score, reason(wanted, TokenSet.of(record.text())));
    }

    /** Which of the words looked for the record has, and which nearly. */
    private static String reason(TokenSet wanted, TokenSet words) {
        List<String> shared = new ArrayList<>();
        List<String> near = new ArrayList<>();
        for (String word : wanted.words) {
            if (words.contains(word)) {
                shared.add(word);
            } else if (CandidateIndex.edits(word) > 0) {
                LevenshteinDistance distance = new LevenshteinDistance(CandidateIndex.edits(word));
                Arrays.stream(words.words).filter(other -> distance.apply(word, other) >= 0).findFirst()
                        .ifPresent(other -> near.add(word + "~" + other));
            }
        }
        return "has " + shared.size() + " of the " + wanted.words.length + " words looked for"
                + (shared.isEmpty() ? "" : ": " + list(shared)) + (near.isEmpty() ? "" : "; nearly: " + list(near));
    }

    private static String list(List<String> words) {
        return String.join(", ", words.subList(0, Math.min(words.size(), WORDS_SHOWN)))
                + (words.size() > WORDS_SHOWN ? " and " + (words.size() - WORDS_SHOWN) + " more" : "");
    }

    private static String unknown(String what, List<String> unknown, Collection<String> known) {
        StringBuilder message = new StringBuilder("unknown " + what + (unknown.size() > 1 ? "s " : " ")
                + list(unknown) + ": not in the training data");
        String nearest = nearest(unknown.getFirst(), known);
        return message.append(nearest.isEmpty() ? "" : "; near " + unknown.getFirst() + ": " + nearest).toString();
    }

    private static String nearest(String wanted, Collection<String> known) {
        int limit = Math.max(2, wanted.length() / 3);
        LevenshteinDistance distance = new LevenshteinDistance(limit);
        String lower = wanted.toLowerCase(Locale.ROOT);
        record Near(String name, int edits) {}
        return String.join(", ", known.stream()
                .map(name -> new Near(name, distance.apply(lower, name.toLowerCase(Locale.ROOT))))
                .filter(near -> near.edits >= 0)
                .sorted(Comparator.comparingInt(Near::edits).thenComparing(Near::name))
                .limit(NEAR_MISSES).map(Near::name).toList());
    }
}
