package dev.lethe.find;

import com.ibm.icu.lang.UScript;
import com.ibm.icu.text.Transliterator;
import dev.lethe.base.BadInputException;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Work;
import dev.lethe.find.ForgetSet.Match;
import dev.lethe.text.Folding;
import dev.lethe.text.Letters;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Answers queries over training records: by id, by subject, word for word, or by likeness of words. Each match comes
 * with a score and a reason, so that a person can judge it before anything is erased; where a text is nowhere, the
 * records that come nearest are named. The index is built at the first query that needs likeness and kept until close.
 * Not thread-safe.
 */
public final class Finder implements AutoCloseable {
    static final String INTERRUPTED = "the search was interrupted";
    private static final int NEAR_MISSES = 3;
    private static final int NEAR = 30; // points below the threshold that still count as a near miss
    private static final int LETTERS_SHOWN = 60;

    private final List<TextRecord> records;
    private CandidateIndex index;

    /**
     * Over these; an index is made when it is first needed.
     *
     * @param records to look through
     */
    public Finder(List<TextRecord> records) {
        this.records = List.copyOf(records);
    }

    /**
     * Finds the records a query means, best first, in the data's order among equals.
     *
     * @param query what to look for
     * @return matches and near misses
     * @throws dev.lethe.base.InterruptedWorkException when the thread is interrupted
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

    /** Builds the index now rather than at the first query that needs it. */
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
        List<Match> matches = withId(query, Map.of());
        if (matches.size() < query.ids().size()) { // an id that no record has to the letter means its canonical equals
            Set<String> present = new HashSet<>();
            records.forEach(record -> present.add(Folding.CANONICAL.of(record.id())));
            List<String> unknown = query.ids().stream().filter(id -> !present.contains(Folding.CANONICAL.of(id))).toList();
            if (!unknown.isEmpty()) {
                throw new BadInputException(unknown("record id", unknown, records.stream().map(TextRecord::id).toList()));
            }
            Map<String, String> others = new HashMap<>();
            query.ids().forEach(id -> others.put(Folding.CANONICAL.of(id), id));
            matches.forEach(match -> others.remove(Folding.CANONICAL.of(match.recordId())));
            matches = withId(query, others);
        }
        return new ForgetSet(query, matches, List.of(), records.size());
    }

    private List<Match> withId(Query.Ids query, Map<String, String> others) {
        List<Match> matches = new ArrayList<>();
        for (TextRecord record : records) {
            String id = record.id();
            String asked = query.ids().contains(id) ? id : others.isEmpty() ? null : others.get(Folding.CANONICAL.of(id));
            if (asked != null) {
                matches.add(new Match(id, 100, "id " + id + askedAs(id, asked)));
            }
        }
        return matches;
    }

    private ForgetSet bySubject(Query.Subject query) {
        String wanted = Folding.CANONICAL.of(query.subject());
        List<Match> matches = records.stream()
                .filter(record -> record.subject() != null && wanted.equals(Folding.CANONICAL.of(record.subject())))
                .map(record -> new Match(record.id(), 100,
                        "subject " + record.subject() + askedAs(record.subject(), query.subject()))).toList();
        if (matches.isEmpty()) {
            Set<String> subjects = new TreeSet<>();
            records.stream().map(TextRecord::subject).filter(Objects::nonNull).forEach(subjects::add);
            throw new BadInputException(subjects.isEmpty()
                    ? "unknown subject " + query.subject() + ": no record of this data has a subject; ask by ids or a text"
                    : unknown("subject", List.of(query.subject()), List.copyOf(subjects)));
        }
        return new ForgetSet(query, matches, List.of(), records.size());
    }

    /** What was asked, where it differs from what stands there. */
    private static String askedAs(String stands, String asked) {
        return stands.equals(asked) ? "" : ", asked as \"" + clipped(asked) + '"';
    }

    private ForgetSet byText(Query.ExactText query) {
        String wanted = Folding.CANONICAL.of(query.text()).strip();
        List<Match> matches = Work.parallel(() -> records.parallelStream().map(record -> exact(record, wanted, query.text()))
                .filter(Objects::nonNull).toList());
        return new ForgetSet(query, matches, matches.isEmpty() ? nearest(query.text()) : List.of(), records.size());
    }

    private static Match exact(TextRecord record, String wanted, String asked) {
        String text = Folding.CANONICAL.of(record.text());
        for (int at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
            int end = at + wanted.length();
            boolean starts = at == 0 || !Letters.joined(text.codePointBefore(at), text.codePointAt(at));
            boolean ends = end == text.length() || !Letters.joined(text.codePointBefore(end), text.codePointAt(end));
            if (starts && ends) {
                return new Match(record.id(), 100, exactReason(record, at, end, asked));
            }
        }
        return null;
    }

    private static String exactReason(TextRecord record, int at, int end, String asked) {
        Folding.Traced text = Folding.CANONICAL.trace(record.text());
        String found = text.original(at, end);
        return (found.equals(text.text().strip()) ? "its whole text is the text looked for"
                : found.equals(record.completion().strip()) ? "its whole completion is the text looked for"
                : "its text has \"" + clipped(found) + "\" from character " + text.letter(at)) + askedAs(found, asked);
    }

    private ForgetSet byLikeness(Query.FuzzyText query) {
        TokenSet wanted = TokenSet.asked(query.text());
        if (wanted.words.length == 0) {
            throw new BadInputException("the text '" + query.text() + "' has no letter or digit to look for");
        }
        prepare();
        int[] candidates = index.candidates(wanted);
        Arrays.sort(candidates);
        double floor = query.threshold() - NEAR;
        Nearness words = new Nearness(query.text());
        double[] scores = Work.parallel(() -> IntStream.of(candidates).parallel().mapToDouble(i -> {
            String text = records.get(i).text();
            double ratio = wanted.ratio(TokenSet.of(text), floor);
            return words.count() > Nearness.NAME ? ratio : Math.max(ratio,
                    words.of(FoldedText.of(Folding.LOOSE.of(text)), floor));
        }).toArray());
        List<Match> matches = best(candidates, scores, query.threshold(), Integer.MAX_VALUE, words);
        if (!matches.isEmpty()) {
            return new ForgetSet(query, matches, List.of(), records.size());
        }
        List<Match> misses = best(candidates, scores, Math.max(floor, 1), NEAR_MISSES, words);
        return new ForgetSet(query, matches, misses.isEmpty() ? nearest(query.text()) : misses, records.size());
    }

    /** The first {@code most} candidates that reach a score, best first, in the data's order among equals. */
    private List<Match> best(int[] candidates, double[] scores, double least, int most, Nearness words) {
        return IntStream.range(0, candidates.length).filter(i -> scores[i] >= least).boxed()
                .sorted(Comparator.comparingDouble(i -> -scores[i])).limit(most)
                .map(i -> {
                    TextRecord record = records.get(candidates[i]);
                    return new Match(record.id(), scores[i], words.reason(record.text()));
                }).toList();
    }

    private List<Match> nearest(String asked) {
        prepare();
        return new NearMisses(index::nearest, i -> records.get(i).text()).of(asked).stream()
                .map(near -> new Match(records.get(near.position()).id(), near.score(), near.reason())).toList();
    }

    private static String clipped(String text) {
        return text.codePointCount(0, text.length()) <= LETTERS_SHOWN ? text
                : text.substring(0, text.offsetByCodePoints(0, LETTERS_SHOWN)) + "…";
    }

    private static String unknown(String what, List<String> unknown, List<String> known) {
        String first = unknown.getFirst();
        int[] all = IntStream.range(0, known.size()).toArray();
        NearMisses misses = new NearMisses(ways -> Collections.nCopies(ways.size(), all), known::get);
        String nearest = String.join(", ", misses.of(first).stream().map(near -> known.get(near.position())).toList());
        return "unknown " + what + (unknown.size() > 1 ? "s " : " ") + Nearness.list(unknown) + ": not in the training data"
                + (nearest.isEmpty() ? "" : "; near " + first + ": " + nearest);
    }

    /**
     * What comes nearest to words that are nowhere as they were asked: in their own script, or else as ICU writes them in others.
     *
     * @param candidates for each way to write them the positions of the texts that could come near
     * @param texts      the text at a position
     */
    record NearMisses(Function<List<Nearness>, List<int[]>> candidates, IntFunction<String> texts) {
        private static final int MOST = 3;
        private static final double LEAST = 66;           // two letters of three
        private static final double LEAST_OF_TWO = 50;    // letters: one of them may be wrong
        private static final double LEAST_ELSEWHERE = 75; // another script is a guess already

        /** A text that comes near: its position, the share of the letters in place, and which words stand there. */
        record Near(int position, double score, String reason) {}

        /** The best three, best first; fewer where fewer come near. */
        List<Near> of(String asked) {
            Nearness own = new Nearness(asked);
            if (own.count() == 0) {
                return List.of();
            }
            List<Near> near = of(List.of(own), own.letters() == 2 ? LEAST_OF_TWO : LEAST, "");
            return !near.isEmpty() || own.count() > Nearness.NAME ? near
                    : of(OtherScripts.of(asked).stream().map(Nearness::new).toList(), LEAST_ELSEWHERE, "in another script ");
        }

        private List<Near> of(List<Nearness> ways, double least, String where) {
            List<int[]> positions = candidates.apply(ways);
            return IntStream.range(0, ways.size()).boxed()
                    .flatMap(way -> of(ways.get(way), positions.get(way), least, where).stream())
                    .sorted(Comparator.comparingDouble(near -> -near.score)).limit(MOST).toList();
        }

        private List<Near> of(Nearness words, int[] positions, double least, String where) {
            double[] scores = Work.parallel(() -> IntStream.of(positions).parallel()
                    .mapToDouble(i -> words.of(FoldedText.of(Folding.LOOSE.of(texts.apply(i))), least)).toArray());
            return IntStream.range(0, positions.length).filter(i -> scores[i] >= least).boxed()
                    .sorted(Comparator.comparingDouble(i -> -scores[i])).limit(MOST)
                    .map(i -> new Near(positions[i], scores[i], where + words.reason(texts.apply(positions[i])))).toList();
        }
    }

    /**
     * A name as it might be written in other scripts, by ICU's transliterators: letter by letter, by the rules of no one
     * language, Han as Mandarin. Good for near misses and for nothing else.
     */
    static final class OtherScripts {
        private static final List<String> SCRIPTS = List.of("Arabic", "Armenian", "Bengali", "Cyrillic", "Devanagari", "Georgian",
                "Greek", "Hangul", "Hebrew", "Hiragana", "Katakana", "Tamil", "Telugu", "Thai");

        private OtherScripts() {}

        static List<String> of(String asked) {
            String latin = Transliterator.getInstance("Any-Latin; Latin-ASCII; Lower").transliterate(Folding.CANONICAL.of(asked));
            int own = script(asked);
            return Stream.concat(Stream.of(latin), SCRIPTS.stream()
                            .map(script -> Transliterator.getInstance("Latin-" + script).transliterate(latin)))
                    .filter(variant -> script(variant) != own).toList();
        }

        private static int script(String text) {
            return text.codePoints().filter(Character::isLetter).map(UScript::getScript).findFirst().orElse(UScript.COMMON);
        }
    }
}
