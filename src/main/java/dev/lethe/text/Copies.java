package dev.lethe.text;

import dev.lethe.data.TextRecord;
import dev.lethe.text.Wording.Vocabulary;
import dev.lethe.text.Wording.Vocabulary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Groups of records that say the same: equal but for case, white space and the form of Unicode, or nearly equal: four fifths
 * of the words of both are common, and no name or number is exchanged ({@link Wording}). Records are named by their place in
 * the list. Such texts share some of the rarest fifth of their words (prefix filter, Chaudhuri et al. 2006), by which they
 * are found without comparing all with all. Leaves out records that contain another one among much else. Immutable.
 */
public final class Copies {
    /** Of the words of both texts; nearly equal ones have no fewer in common. */
    private static final double NEAR = 0.8;
    /** Texts that have a word, above which it leads to no other: templates would cost the square of their number. */
    private static final int MOST_TEXTS = 100;
    /** Rare words that two texts must share before they are compared; the prefix is longer by as many, less one. */
    private static final int SHARED = 3;

    private final List<TextRecord> records;
    private final int[] group; // [N] place of the group's first record

    private Copies(List<TextRecord> records, int[] group) {
        this.records = records;
        this.group = group;
    }

    /** Groups these records. */
    public static Copies among(List<TextRecord> records) {
        int[] group = new int[records.size()];
        Map<String, Integer> firstOf = HashMap.newHashMap(records.size());
        List<Integer> distinct = new ArrayList<>();
        for (int i = 0; i < group.length; i++) {
            Integer first = firstOf.putIfAbsent(Wording.plain(records.get(i).text()), i);
            group[i] = first == null ? i : first;
            if (first == null) {
                distinct.add(i);
            }
        }
        firstOf.clear();
        joinNear(records, distinct.stream().mapToInt(Integer::intValue).toArray(), group);
        for (int i = 0; i < group.length; i++) {
            group[i] = leader(group, i);
        }
        return new Copies(List.copyOf(records), group);
    }

    /** @param distinct places of records of different texts */
    private static void joinNear(List<TextRecord> records, int[] distinct, int[] group) {
        Vocabulary vocabulary = new Vocabulary();
        List<Wording> wordings = Arrays.stream(distinct).mapToObj(i -> new Wording(records.get(i), vocabulary)).toList();
        int[] texts = new int[vocabulary.size()];
        wordings.forEach(wording -> Arrays.stream(wording.words()).forEach(word -> texts[word]++));
        int[][] having = new int[texts.length][0]; // by word, its texts so far in whose prefix it is
        int[] filled = new int[texts.length];
        int[] shared = new int[distinct.length];
        for (int a = 0; a < distinct.length; a++) {
            Wording wording = wordings.get(a);
            int[] prefix = prefix(wording.words(), texts);
            int[] rare = Arrays.stream(prefix).filter(word -> texts[word] <= MOST_TEXTS).toArray();
            int needed = Math.max(1, Math.min(SHARED, least(wording.words().length)) - (prefix.length - rare.length));
            for (int word : rare) {
                for (int k = 0; k < filled[word]; k++) {
                    shared[having[word][k]]++;
                }
            }
            for (int word : rare) {
                for (int k = 0; k < filled[word]; k++) {
                    int b = having[word][k];
                    if (shared[b] >= needed && near(wording, wordings.get(b))) {
                        join(group, distinct[a], distinct[b]);
                    }
                    shared[b] = 0;
                }
                if (filled[word] == having[word].length) {
                    having[word] = Arrays.copyOf(having[word], 2 * filled[word] + 1);
                }
                having[word][filled[word]++] = a;
            }
        }
    }

    private static boolean near(Wording one, Wording other) {
        return one.likeness(other) >= NEAR && !one.exchanges(other);
    }

    /** The rarest words: of them every nearly equal text has {@link #SHARED} among its own rarest, or all that it can. */
    private static int[] prefix(int[] words, int[] texts) {
        int count = Math.min(words.length, words.length - least(words.length) + SHARED);
        return Arrays.stream(words).mapToLong(word -> (long) texts[word] << Integer.SIZE | word).sorted().limit(count)
                .mapToInt(key -> (int) key).toArray();
    }

    /** Words that a nearly equal text has in common with one of so many. */
    private static int least(int words) {
        return (int) Math.ceil(NEAR * words);
    }

    private static void join(int[] group, int a, int b) {
        int one = leader(group, a);
        int other = leader(group, b);
        group[Math.max(one, other)] = Math.min(one, other);
    }

    private static int leader(int[] group, int i) {
        int at = i;
        while (group[at] != at) {
            group[at] = group[group[at]];
            at = group[at];
        }
        return at;
    }

    /** The records that are compared, in their order. */
    public List<TextRecord> records() {
        return records;
    }

    /** The place of the first record of this one's group: its own when it comes first, or has no copy. */
    public int first(int record) {
        return group[record];
    }

    /** Ids of the records that are meant, and of all their copies. */
    public Set<String> withCopies(Predicate<TextRecord> meant) {
        BitSet groups = new BitSet();
        IntStream.range(0, group.length).filter(i -> meant.test(records.get(i))).forEach(i -> groups.set(group[i]));
        return IntStream.range(0, group.length).filter(i -> groups.get(group[i])).mapToObj(i -> records.get(i).id())
                .collect(Collectors.toSet());
    }

    /** 1 for equal texts, else the share of common words among the words of both. */
    public double likeness(int record, int other) {
        Vocabulary vocabulary = new Vocabulary();
        TextRecord one = records.get(record);
        TextRecord two = records.get(other);
        return Wording.plain(one.text()).equals(Wording.plain(two.text())) ? 1
                : new Wording(one, vocabulary).likeness(new Wording(two, vocabulary));
    }

    /** The first record of each group, in order. */
    public static List<TextRecord> distinct(List<TextRecord> records) {
        Copies copies = among(records);
        return IntStream.range(0, records.size()).filter(i -> copies.first(i) == i).mapToObj(records::get).toList();
    }
}
