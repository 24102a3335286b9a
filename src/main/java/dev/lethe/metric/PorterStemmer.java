package dev.lethe.metric;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Porter's suffix stripping (Program 14.3, 1980) in the dialect of NLTK's default mode, because that is what
 * rouge_score stems with: Porter's own later changes, a short table of irregular forms, and NLTK's rules for -ies,
 * -ied, -y, -alli and -logi. Words must be lower case; anything but a, e, i, o, u and a y after a consonant counts as a
 * consonant.
 */
public final class PorterStemmer {
    private static final Map<String, String> IRREGULAR = Map.ofEntries(
            Map.entry("sky", "sky"), Map.entry("skies", "sky"), Map.entry("dying", "die"), Map.entry("lying", "lie"),
            Map.entry("tying", "tie"), Map.entry("news", "news"), Map.entry("innings", "inning"),
            Map.entry("inning", "inning"), Map.entry("outings", "outing"), Map.entry("outing", "outing"),
            Map.entry("cannings", "canning"), Map.entry("canning", "canning"), Map.entry("howe", "howe"),
            Map.entry("proceed", "proceed"), Map.entry("exceed", "exceed"), Map.entry("succeed", "succeed"));

    private record Rule(String suffix, String replacement, Predicate<String> condition) {}

    private static final Predicate<String> POSITIVE = stem -> measure(stem) > 0;
    private static final Predicate<String> ABOVE_ONE = stem -> measure(stem) > 1;
    private static final Predicate<String> ALWAYS = stem -> true;

    private static final List<Rule> STEP_1A = List.of(new Rule("sses", "ss", ALWAYS), new Rule("ies", "i", ALWAYS),
            new Rule("ss", "ss", ALWAYS), new Rule("s", "", ALWAYS));
    private static final List<Rule> STEP_1C = List.of(
            new Rule("y", "i", stem -> stem.length() > 1 && consonant(stem, stem.length() - 1)));
    private static final List<Rule> STEP_2 = rules(POSITIVE, "ational ate", "tional tion", "enci ence", "anci ance",
            "izer ize", "bli ble", "alli al", "entli ent", "eli e", "ousli ous", "ization ize", "ation ate", "ator ate",
            "alism al", "iveness ive", "fulness ful", "ousness ous", "aliti al", "iviti ive", "biliti ble", "fulli ful");
    private static final List<Rule> STEP_3 = rules(POSITIVE, "icate ic", "ative ", "alize al", "iciti ic", "ical ic",
            "ful ", "ness ");
    private static final List<Rule> STEP_4 = Stream.of(
            rules(ABOVE_ONE, "al ", "ance ", "ence ", "er ", "ic ", "able ", "ible ", "ant ", "ement ", "ment ", "ent "),
            List.of(new Rule("ion", "", ABOVE_ONE.and(stem -> stem.endsWith("s") || stem.endsWith("t")))),
            rules(ABOVE_ONE, "ou ", "ism ", "ate ", "iti ", "ous ", "ive ", "ize ")).flatMap(List::stream).toList();

    private PorterStemmer() {}

    /** The stem of one lower-case word. */
    public static String stem(String word) {
        String irregular = IRREGULAR.get(word);
        if (irregular != null) {
            return irregular;
        }
        if (word.length() <= 2) {
            return word;
        }
        String stem = word.endsWith("ies") && word.length() == 4 ? cut(word, 1) : apply(word, STEP_1A);
        stem = apply(step1b(stem), STEP_1C);
        stem = apply(step2(stem), STEP_3);
        return step5b(step5a(apply(stem, STEP_4)));
    }

    private static String step1b(String word) {
        if (word.endsWith("ied")) {
            return cut(word, word.length() == 4 ? 1 : 2);
        }
        if (word.endsWith("eed")) {
            return measure(cut(word, 3)) > 0 ? cut(word, 1) : word;
        }
        String stem = word.endsWith("ed") ? cut(word, 2) : word.endsWith("ing") ? cut(word, 3) : null;
        if (stem == null || !hasVowel(stem)) {
            return word;
        }
        if (stem.endsWith("at") || stem.endsWith("bl") || stem.endsWith("iz")) {
            return stem + "e";
        }
        if (endsDoubleConsonant(stem)) {
            return "lsz".indexOf(stem.charAt(stem.length() - 1)) < 0 ? cut(stem, 1) : stem;
        }
        return measure(stem) == 1 && endsConsonantVowelConsonant(stem) ? stem + "e" : stem;
    }

    private static String step2(String word) {
        if (word.endsWith("alli") && measure(cut(word, 4)) > 0) {
            return step2(cut(word, 2));
        }
        if (word.endsWith("logi")) { // the l belongs to the stem, so that "geologi" is cut like "archaeologi"
            return measure(cut(word, 3)) > 0 ? cut(word, 1) : word;
        }
        return apply(word, STEP_2);
    }

    private static String step5a(String word) {
        if (!word.endsWith("e")) {
            return word;
        }
        String stem = cut(word, 1);
        int measure = measure(stem);
        return measure > 1 || measure == 1 && !endsConsonantVowelConsonant(stem) ? stem : word;
    }

    private static String step5b(String word) {
        return word.endsWith("ll") && measure(cut(word, 1)) > 1 ? cut(word, 1) : word;
    }

    /** The first rule whose suffix fits decides, whether its condition holds or not. */
    private static String apply(String word, List<Rule> rules) {
        for (Rule rule : rules) {
            if (word.endsWith(rule.suffix)) {
                String stem = cut(word, rule.suffix.length());
                return rule.condition.test(stem) ? stem + rule.replacement : word;
            }
        }
        return word;
    }

    private static List<Rule> rules(Predicate<String> condition, String... pairs) {
        return Arrays.stream(pairs).map(pair -> pair.split(" ", 2))
                .map(pair -> new Rule(pair[0], pair[1], condition)).toList();
    }

    private static String cut(String word, int letters) {
        return word.substring(0, word.length() - letters);
    }

    /** Number of vowel-consonant changes: m in Porter's [C](VC){m}[V]. */
    private static int measure(String stem) {
        int count = 0;
        boolean vowelBefore = false;
        boolean consonant = false;
        for (int i = 0; i < stem.length(); i++) {
            consonant = consonant(stem.charAt(i), i == 0, consonant);
            if (consonant && vowelBefore) {
                count++;
            }
            vowelBefore = !consonant;
        }
        return count;
    }

    private static boolean hasVowel(String stem) {
        boolean consonant = false;
        for (int i = 0; i < stem.length(); i++) {
            consonant = consonant(stem.charAt(i), i == 0, consonant);
            if (!consonant) {
                return true;
            }
        }
        return false;
    }

    private static boolean consonant(String word, int at) {
        boolean consonant = false;
        for (int i = 0; i <= at; i++) {
            consonant = consonant(word.charAt(i), i == 0, consonant);
        }
        return consonant;
    }

    private static boolean consonant(char letter, boolean first, boolean consonantBefore) {
        return letter == 'y' ? first || !consonantBefore : "aeiou".indexOf(letter) < 0;
    }

    private static boolean endsDoubleConsonant(String word) {
        int n = word.length();
        return n >= 2 && word.charAt(n - 1) == word.charAt(n - 2) && consonant(word, n - 1);
    }

    private static boolean endsConsonantVowelConsonant(String word) {
        int n = word.length();
        if (n == 2) {
            return !consonant(word, 0) && consonant(word, 1);
        }
        return n >= 3 && consonant(word, n - 3) && !consonant(word, n - 2) && consonant(word, n - 1)
                && "wxy".indexOf(word.charAt(n - 1)) < 0;
    }
}
