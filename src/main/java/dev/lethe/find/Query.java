package dev.lethe.find;

import dev.lethe.base.BadInputException;
import dev.lethe.text.Folding;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.Objects;
import java.util.Set;

/** What to look for in the training data. Looking changes nothing; {@link Finder} answers it. */
public sealed interface Query {
    /**
     * These records and no others; where none has an id to the letter, the one that is canonically equal.
     *
     * @param ids of records
     */
    record Ids(Set<String> ids) implements Query {
        /** Refuses none. */
        public Ids {
            ids = Collections.unmodifiableSet(new LinkedHashSet<>(ids));
            if (ids.isEmpty()) {
                throw new BadInputException("no record id given; name at least one");
            }
        }
    }

    /**
     * Every record whose subject is this, up to {@link Folding#CANONICAL}.
     *
     * @param subject as the data has it
     */
    record Subject(String subject) implements Query {
        /** Refuses null. */
        public Subject {
            Objects.requireNonNull(subject, "subject");
        }
    }

    /**
     * Every record that says this word for word: its text holds it with the same letters and case, up to
     * {@link Folding#CANONICAL}, beginning and ending at the edge of a word where its script has spaces between words. A
     * longer record that says it as well is meant too.
     *
     * @param text words
     */
    record ExactText(String text) implements Query {
        /** Refuses a blank text. */
        public ExactText {
            text = notBlank(text);
        }
    }

    /**
     * Every record whose words are about these.
     *
     * @param threshold least score, 0..100: the token-set similarity ({@link TokenSet#ratio}), and for a name of up to
     *     four
     *                  words the share of its letters in place ({@link Nearness}) where that is more
     * @param text words
     */
    record FuzzyText(String text, double threshold) implements Query {
        /** Refuses a blank text and a threshold out of range. */
        public FuzzyText {
            text = notBlank(text);
            if (!(threshold >= 0 && threshold <= 100)) {
                throw new BadInputException("threshold " + threshold + ": it goes from 0 to 100, 85 is a good start");
            }
        }
    }

    /**
     * {@return a query for these records}
     *
     * @param ids at least one
     */
    static Query ids(Collection<String> ids) {
        return new Ids(new LinkedHashSet<>(ids));
    }

    /**
     * {@return a query for every record of a subject}
     *
     * @param subject as the data has it
     */
    static Query subject(String subject) {
        return new Subject(subject);
    }

    /**
     * {@return a query for every record that says this word for word}
     *
     * @param text not blank
     */
    static Query text(String text) {
        return new ExactText(text);
    }

    /**
     * {@return a query for every record whose words are about these}
     *
     * @param text      not blank
     * @param threshold least score, 0 to 100; 85 is a good start
     */
    static Query fuzzy(String text, double threshold) {
        return new FuzzyText(text, threshold);
    }

    private static String notBlank(String text) {
        if (Folding.CANONICAL.of(text).isBlank()) {
            throw new BadInputException("the text is empty; give the words to look for");
        }
        return text.strip();
    }
}
