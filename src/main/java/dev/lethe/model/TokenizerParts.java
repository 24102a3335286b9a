package dev.lethe.model;

import dev.lethe.base.BadInputException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * The parts of a tokenizer.json that Lethe hands to the tokenizer library: which types there are, and which values each key
 * may have. The library ends the whole process on a value it did not foresee, so anything else is refused by name.
 */
final class TokenizerParts {
    /** Values of one key, and how a message calls them. */
    private record Kind(String name, Predicate<Object> has) {
        Kind orNull() {
            return new Kind(name + " or null", value -> value == null || has.test(value));
        }
    }

    private static final Kind FLAG = new Kind("true or false", Boolean.class::isInstance);
    private static final Kind TEXT = new Kind("a string", String.class::isInstance);
    private static final Kind SOME = new Kind("a string that is not empty", v -> v instanceof String s && !s.isEmpty());
    private static final Kind CHARACTER = new Kind("one character", v -> characters(v) == 1);
    private static final Kind ONE_AT_MOST = new Kind("at most one character", v -> characters(v) == 0 || characters(v) == 1);
    private static final Kind COUNT = wholeNumber(0);
    private static final Kind LENGTH = wholeNumber(1);
    private static final Kind ZERO = new Kind("0", v -> v instanceof Number n && n.doubleValue() == 0);
    private static final Kind CHARSMAP = new Kind("the table of a SentencePiece model",
            v -> v instanceof String s && CharsMap.isSound(s));
    private static final Kind LIST = new Kind("a list", List.class::isInstance);
    private static final Kind MAP = new Kind("an object", Map.class::isInstance);
    private static final Kind BEHAVIOUR =
            oneOf("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous");

    private static final Map<String, Kind> BYTE_LEVEL =
            Map.of("add_prefix_space", FLAG, "trim_offsets", FLAG, "use_regex", FLAG);
    private static final Map<String, Kind> METASPACE = Map.of("replacement", CHARACTER, "split", FLAG.orNull(),
            "prepend_scheme", oneOf("first", "never", "always"), "add_prefix_space", FLAG.orNull(), "str_rep", TEXT.orNull());

    private static final Map<String, Map<String, Kind>> NORMALIZERS = Map.ofEntries(
            Map.entry("Sequence", Map.of("normalizers", LIST)), Map.entry("NFC", Map.of()), Map.entry("NFD", Map.of()),
            Map.entry("NFKC", Map.of()), Map.entry("NFKD", Map.of()), Map.entry("Nmt", Map.of()),
            Map.entry("Lowercase", Map.of()), Map.entry("StripAccents", Map.of()), Map.entry("ByteLevel", Map.of()),
            Map.entry("Strip", Map.of("strip_left", FLAG, "strip_right", FLAG)),
            Map.entry("Prepend", Map.of("prepend", SOME)),
            Map.entry("Precompiled", Map.of("precompiled_charsmap", CHARSMAP)),
            Map.entry("Replace", Map.of("pattern", MAP, "content", ONE_AT_MOST)), // more would make a long text longer
            Map.entry("BertNormalizer", Map.of("clean_text", FLAG, "handle_chinese_chars", FLAG,
                    "strip_accents", FLAG.orNull(), "lowercase", FLAG)));

    private static final Map<String, Map<String, Kind>> PRE_TOKENIZERS = Map.ofEntries(
            Map.entry("Sequence", Map.of("pretokenizers", LIST)), Map.entry("ByteLevel", BYTE_LEVEL),
            Map.entry("Metaspace", METASPACE), Map.entry("BertPreTokenizer", Map.of()), Map.entry("Whitespace", Map.of()),
            Map.entry("WhitespaceSplit", Map.of()), Map.entry("UnicodeScripts", Map.of()),
            Map.entry("Punctuation", Map.of("behavior", BEHAVIOUR)), Map.entry("Digits", Map.of("individual_digits", FLAG)),
            Map.entry("CharDelimiterSplit", Map.of("delimiter", CHARACTER)),
            Map.entry("FixedLength", Map.of("length", LENGTH)),
            Map.entry("Split", Map.of("pattern", MAP, "behavior", BEHAVIOUR, "invert", FLAG)));

    private static final Map<String, Map<String, Kind>> DECODERS = Map.of(
            "Sequence", Map.of("decoders", LIST), "ByteLevel", BYTE_LEVEL, "Metaspace", METASPACE, "Fuse", Map.of(),
            "ByteFallback", Map.of(), "Replace", Map.of("pattern", MAP, "content", TEXT), "BPEDecoder", Map.of("suffix", SOME),
            "WordPiece", Map.of("prefix", TEXT, "cleanup", FLAG),
            "Strip", Map.of("content", CHARACTER, "start", COUNT, "stop", ZERO),
            "CTC", Map.of("pad_token", SOME, "word_delimiter_token", SOME, "cleanup", FLAG));

    private static final Map<String, Map<String, Kind>> MODELS = Map.of(
            "BPE", Map.of("vocab", MAP, "merges", LIST, "dropout", ZERO.orNull(), "unk_token", TEXT.orNull(),
                    "continuing_subword_prefix", TEXT.orNull(), "end_of_word_suffix", TEXT.orNull(), "fuse_unk", FLAG,
                    "byte_fallback", FLAG, "ignore_merges", FLAG),
            "Unigram", Map.of("vocab", LIST, "byte_fallback", FLAG,
                    "unk_id", new Kind("a whole number", Integer.class::isInstance).orNull()),
            "WordPiece", Map.of("vocab", MAP, "unk_token", TEXT, "continuing_subword_prefix", TEXT,
                    "max_input_chars_per_word", COUNT),
            "WordLevel", Map.of("vocab", MAP, "unk_token", TEXT));

    private final Object file;
    private final String section;
    private final Map<String, Map<String, Kind>> types;

    private TokenizerParts(Object file, String section, Map<String, Map<String, Kind>> types) {
        this.file = file;
        this.section = section;
        this.types = types;
    }

    /** @throws BadInputException naming the first part that is not accepted */
    static void check(Object file, Map<String, Object> json) {
        new TokenizerParts(file, "normalizer", NORMALIZERS).optional(json);
        new TokenizerParts(file, "pre_tokenizer", PRE_TOKENIZERS).optional(json);
        new TokenizerParts(file, "decoder", DECODERS).optional(json);
        new TokenizerParts(file, "model", MODELS).part(json.get("model"));
    }

    private void optional(Map<String, Object> json) {
        if (json.get(section) != null) {
            part(json.get(section));
        }
    }

    private void part(Object value) {
        if (!(value instanceof Map<?, ?> part)) {
            throw refusal("is not an object");
        }
        Map<String, Kind> keys = part.get("type") instanceof String type ? types.get(type) : null;
        if (keys == null) {
            throw refusal("has the type " + part.get("type") + ", which Lethe does not read");
        }
        part.forEach((key, item) -> {
            Kind kind = keys.get(key);
            if (kind == null && !key.equals("type")) {
                throw refusal(part.get("type") + " has the key \"" + key + "\", which Lethe does not know");
            }
            if (kind != null && !kind.has.test(item)) {
                throw refusal(part.get("type") + ": \"" + key + "\" must be " + kind.name);
            }
            if (part.get("type").equals("Sequence") && kind == LIST) {
                ((List<?>) item).forEach(this::part);
            } else if (key.equals("pattern")) {
                pattern((Map<?, ?>) item);
            }
        });
    }

    /** What a decoder's expression would work on has no known length, so there it is a String as in known tokenizers. */
    private void pattern(Map<?, ?> pattern) {
        if (pattern.size() == 1 && pattern.get("Regex") instanceof String regex && types != DECODERS) {
            SafePattern.check(file + ": " + section, regex);
        } else if (pattern.size() != 1 || !SOME.has.test(pattern.get("String"))) {
            throw refusal("has a pattern that is neither {\"String\": …}, not empty, nor {\"Regex\": …}");
        }
    }

    private BadInputException refusal(String what) {
        return new BadInputException(file + ": " + section + " " + what + "; take the tokenizer.json that came with the model");
    }

    private static int characters(Object value) {
        return value instanceof String text ? text.codePointCount(0, text.length()) : -1;
    }

    private static Kind wholeNumber(int least) {
        return new Kind("a whole number from " + least + " to 1000", v -> v instanceof Integer i && i >= least && i <= 1000);
    }

    private static Kind oneOf(String... names) {
        return new Kind("one of " + String.join(", ", names), value -> value != null && List.of(names).contains(value));
    }

    /**
     * The table of a Precompiled normalizer, as SentencePiece writes it: bytes of a double array of 32-bit units, the units,
     * texts that end with NUL. The tokenizer library follows it without looking, so every place that a unit, reached or not, can
     * lead to is looked at here.
     */
    static final class CharsMap {
        private static final int BLOCK = 256;

        private CharsMap() {
        }

        static boolean isSound(String base64) {
            try {
                ByteBuffer bytes = ByteBuffer.wrap(Base64.getDecoder().decode(base64)).order(ByteOrder.LITTLE_ENDIAN);
                int units = bytes.remaining() < Integer.BYTES ? 0 : bytes.getInt();
                if (units < BLOCK * Integer.BYTES || units % (BLOCK * Integer.BYTES) != 0 || units > bytes.remaining()) {
                    return false;
                }
                int[] array = new int[units / Integer.BYTES];
                bytes.asIntBuffer().get(array);
                ByteBuffer texts = bytes.position(bytes.position() + units).slice();
                StandardCharsets.UTF_8.newDecoder().decode(texts.duplicate());
                return leadsToTexts(array, texts);
            } catch (IllegalArgumentException | CharacterCodingException e) {
                return false; // no base64, no UTF-8
            }
        }

        private static boolean leadsToTexts(int[] array, ByteBuffer texts) {
            for (int at = 0; at < array.length; at++) {
                int unit = array[at];
                if (unit < 0 && at > 0) {
                    continue; // a value, or unused
                }
                int child = at ^ unit >>> 10 << ((unit & 1 << 9) >> 6);
                if (child / BLOCK >= array.length / BLOCK) {
                    return false;
                }
                int text = array[child] & Integer.MAX_VALUE;
                boolean leaf = (unit >> 8 & 1) == 1;
                if (leaf && (text > texts.limit() || text < texts.limit() && (texts.get(text) & 0xC0) == 0x80)) {
                    return false;
                }
            }
            return true;
        }
    }
}
