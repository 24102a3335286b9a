/*
 * Trains a byte-level BPE tokenizer of GPT-2's kind on texts (Sennrich et al. 2016, arXiv 1508.07909): words are cut as GPT-2
 * cuts them, and the pair of neighbours that is met most becomes a token, until there are enough; of pairs met equally often
 * that of the lower ids. Ids: the end of text, the 256 bytes in the order of their characters, then the merges: what the
 * tokenizers library's BpeTrainer gives with a ByteLevel alphabet. Leaves out normalizers and other special tokens.
 */
package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One training. Belongs to one thread. */
public final class TokenizerTrainer {
    /** The end of text and the bytes. */
    public static final int LEAST = 257;

    private static final Pattern WORD = Pattern.compile("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+"
            + "| ?[^\\p{IsWhite_Space}\\p{L}\\p{N}]+|\\p{IsWhite_Space}+(?!\\P{IsWhite_Space})|\\p{IsWhite_Space}+");
    private static final Map<String, Object> BYTES = Map.of("type", "ByteLevel", "add_prefix_space", false,
            "trim_offsets", true, "use_regex", true);

    private final List<String> tokens = new ArrayList<>();
    private final Map<String, Integer> idOf = new HashMap<>();
    private final List<List<String>> merges = new ArrayList<>();
    private final List<int[]> words = new ArrayList<>(); // ids of each distinct word
    private final List<Long> counts = new ArrayList<>(); // how often it is there
    private final Map<Long, Long> pairs = new HashMap<>(); // how often a pair stands side by side
    private final Map<Long, Set<Integer>> wordsOf = new HashMap<>(); // that hold a pair, or once did
    private final PriorityQueue<Pair> queue = new PriorityQueue<>(Comparator.comparingLong(Pair::count).reversed()
            .thenComparingLong(Pair::pair));

    /** A pair of ids, the left one's above the right one's 32 bits, with how often it was met when it was queued. */
    private record Pair(long pair, long count) { }

    private TokenizerTrainer() { }

    /**
     * Writes tokenizer.json into a new folder, in place of one that is there. Same texts, in whatever order, same bytes.
     *
     * @param vocabulary ids it shall have, at least {@link #LEAST}
     * @throws BadInputException when the texts have not so many pairs that are met twice
     */
    public static void train(Iterable<String> texts, int vocabulary, Path folder) {
        if (vocabulary < LEAST) {
            throw new BadInputException("a vocabulary of " + vocabulary + " is too small: the bytes and the end of text are " + LEAST);
        }
        TokenizerTrainer trainer = new TokenizerTrainer();
        trainer.read(texts);
        while (trainer.tokens.size() < vocabulary) {
            if (!trainer.merge()) {
                throw new BadInputException(String.format(Locale.ROOT, "the texts make %,d tokens of the %,d asked for:"
                        + " no further pair is met twice; ask for fewer, or give more text", trainer.tokens.size(), vocabulary));
            }
        }
        Io.input(folder + ": the tokenizer cannot be written", () ->
                PrivateFiles.folder(folder, fresh -> PrivateFiles.write(fresh.resolve(TokenizerFiles.TOKENIZER), trainer.json())));
    }

    private void read(Iterable<String> texts) {
        char[] characters = characters();
        char[] sorted = characters.clone();
        Arrays.sort(sorted);
        token(Gpt2Tokenizer.END_OF_TEXT_NAME);
        for (char character : sorted) {
            token(String.valueOf(character));
        }
        Map<String, long[]> met = new TreeMap<>();
        for (String text : texts) {
            for (Matcher word = WORD.matcher(text); word.find();) {
                met.computeIfAbsent(word.group(), _ -> new long[1])[0]++;
            }
        }
        met.forEach((word, count) -> {
            byte[] bytes = word.getBytes(StandardCharsets.UTF_8);
            int[] ids = new int[bytes.length];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = 1 + Arrays.binarySearch(sorted, characters[bytes[i] & 0xff]);
            }
            words.add(ids);
            counts.add(count[0]);
            count(words.size() - 1, count[0]);
        });
        pairs.forEach((pair, count) -> queue.add(new Pair(pair, count)));
    }

    /** Its id; another merge may have made the same text already. */
    private int token(String text) {
        return idOf.computeIfAbsent(text, _ -> {
            tokens.add(text);
            return tokens.size() - 1;
        });
    }

    /** Printable bytes stand for themselves, the others for characters from 256 on. */
    private static char[] characters() {
        char[] characters = new char[256];
        char next = 256;
        for (char b = 0; b < 256; b++) {
            boolean printable = b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae;
            characters[b] = printable ? b : next++;
        }
        return characters;
    }

    /** Adds the word's pairs so many times; negative takes them away. */
    private void count(int word, long times) {
        int[] ids = words.get(word);
        for (int i = 0; i + 1 < ids.length; i++) {
            long pair = pair(ids[i], ids[i + 1]);
            pairs.merge(pair, times, Long::sum);
            if (times > 0) {
                wordsOf.computeIfAbsent(pair, _ -> new HashSet<>()).add(word);
            }
        }
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }

    /** Makes the pair met most a token; false when none is met twice. */
    private boolean merge() {
        Pair best = queue.poll();
        while (best != null && best.count != pairs.get(best.pair)) { // it was queued before a merge took some of it
            if (pairs.get(best.pair) > 0) {
                queue.add(new Pair(best.pair, pairs.get(best.pair)));
            }
            best = queue.poll();
        }
        if (best == null || best.count < 2) {
            return false;
        }
        int left = (int) (best.pair >> 32), right = (int) best.pair;
        merges.add(List.of(tokens.get(left), tokens.get(right)));
        int token = token(tokens.get(left) + tokens.get(right));
        Set<Long> grown = new HashSet<>();
        for (int word : wordsOf.remove(best.pair)) {
            count(word, -counts.get(word));
            words.set(word, merged(words.get(word), left, right, token, grown));
            count(word, counts.get(word));
        }
        grown.forEach(pair -> queue.add(new Pair(pair, pairs.get(pair))));
        return true;
    }

    /** @param grown is told the pairs that the new token makes */
    private static int[] merged(int[] ids, int left, int right, int token, Set<Long> grown) {
        int[] merged = new int[ids.length];
        int n = 0;
        for (int i = 0; i < ids.length; i++) {
            boolean here = ids[i] == left && i + 1 < ids.length && ids[i + 1] == right;
            merged[n++] = here ? token : ids[i];
            i += here ? 1 : 0;
        }
        for (int i = 0; i + 1 < n; i++) {
            if (merged[i] == token || merged[i + 1] == token) {
                grown.add(pair(merged[i], merged[i + 1]));
            }
        }
        return Arrays.copyOf(merged, n);
    }

    private String json() {
        Map<String, Object> end = new LinkedHashMap<>();
        end.put("id", 0);
        end.put("content", tokens.getFirst());
        List.of("single_word", "lstrip", "rstrip", "normalized").forEach(flag -> end.put(flag, false));
        end.put("special", true);
        Map<String, Object> vocabulary = new LinkedHashMap<>();
        for (int id = 0; id < tokens.size(); id++) {
            vocabulary.put(tokens.get(id), id);
        }
        Map<String, Object> model = new LinkedHashMap<>();
        model.put("type", "BPE");
        List.of("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix").forEach(name -> model.put(name, null));
        List.of("fuse_unk", "byte_fallback", "ignore_merges").forEach(name -> model.put(name, false));
        model.put("vocab", vocabulary);
        model.put("merges", merges);
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("version", "1.0");
        all.put("truncation", null);
        all.put("padding", null);
        all.put("added_tokens", List.of(end));
        all.put("normalizer", null);
        all.put("pre_tokenizer", new TreeMap<>(BYTES));
        all.put("post_processor", null);
        all.put("decoder", new TreeMap<>(BYTES));
        all.put("model", model);
        return Json.text(all);
    }
}
