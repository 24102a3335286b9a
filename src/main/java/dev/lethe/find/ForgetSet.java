package dev.lethe.find;

import dev.lethe.base.BadInputException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The records that a query found, best first, with the reasons. Finding changes nothing.
 *
 * @param query what was asked
 * @param matches the records found; may be empty for a text
 * @param nearMisses when a text matched nothing, the best three that come near: within 30 points of a fuzzy threshold, or
 *                   with most of the letters looked for in place; else empty
 * @param total records of the data that was searched
 */
public record ForgetSet(Query query, List<Match> matches, List<Match> nearMisses, int total) {
    /** Copies its lists. */
    public ForgetSet {
        matches = List.copyOf(matches);
        nearMisses = List.copyOf(nearMisses);
    }

    /** {@return ids of the matches, best first} */
    public Set<String> ids() {
        return matches.stream().map(Match::recordId).collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** {@return the matches for an account: the reason says what was looked for and not its words} */
    public List<Match> plain() {
        String reason = switch (query) {
            case Query.Ids _ -> "its id was asked for";
            case Query.Subject _ -> "its subject was asked for";
            case Query.ExactText _ -> "it has the text asked for";
            case Query.FuzzyText _ -> "its words are like those asked for";
        };
        return matches.stream().map(match -> new Match(match.recordId(), match.score(), reason)).toList();
    }

    /** {@return how many records match} */
    public int size() {
        return matches.size();
    }

    /** {@return whether none matches} */
    public boolean isEmpty() {
        return matches.isEmpty();
    }

    /**
     * Refuses what cannot be erased.
     *
     * @return this
     * @throws BadInputException when nothing matched, or everything did: then there is nothing to keep and nothing to
     *         measure against, and the answer is a new model
     */
    public ForgetSet requireErasable() {
        if (matches.isEmpty()) {
            String best = nearMisses.isEmpty() ? "" : nearMisses.stream()
                    .map(miss -> String.format(Locale.ROOT, "%s (%.0f)", miss.recordId(), miss.score()))
                    .collect(Collectors.joining(", ", "; the nearest are ", ""));
            throw new BadInputException("no record matches" + best + "; nothing to erase"
                    + (nearMisses.isEmpty() ? "" : ", name their ids to take them"));
        }
        if (matches.size() == total) {
            throw new BadInputException("the forget set is the whole data (" + total
                    + " records): nothing would be kept; train a new model instead");
        }
        return this;
    }

    /**
     * A record that answers a query.
     *
     * @param recordId its id
     * @param score 0..100; 100 for ids, subjects and exact text; the likeness for fuzzy text; for a near miss also the share of
     *              the letters looked for that are in place
     * @param reason why it matched, for a person to read
     */
    public record Match(String recordId, double score, String reason) {}
}
