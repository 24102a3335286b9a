package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.testing.Mutations;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import tools.jackson.databind.json.JsonMapper;

/**
 * A process that opens damaged tokenizer.json files and encodes odd texts with those that open, for a native library that
 * aborts takes its process along. It prints each seed before it begins with it.
 */
final class TokenizerChild {
    static final String[] TEXTS = {"", " ", "a", "hello world, it's  12345\r\n\r\n x", "ﷺ½Å\u0001\u0000 ▁é\u0301", "😀 <unk></s>[PAD]",
        " ".repeat(700) + "x", "aA".repeat(700) + "1", "\u0001"};
    private static final List<String> SECTIONS = List.of("normalizer", "pre_tokenizer", "decoder", "model", "added_tokens");
    private static final JsonMapper JSON = new JsonMapper();

    private TokenizerChild() {
    }

    /** FOLDER FROM TO: the seeds from FROM, less than TO. */
    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        List<byte[]> originals = originals();
        for (long seed = Long.parseLong(arguments[1]); seed < Long.parseLong(arguments[2]); seed++) {
            System.out.println(seed);
            byte[] original = originals.get((int) (seed % originals.size()));
            Files.write(folder.resolve("tokenizer.json"), seed % 3 == 0 ? Mutations.damage(original, seed) : exchanged(originals, seed));
            try (Tokenizer tokenizer = Tokenizer.of(folder)) {
                for (String text : TEXTS) {
                    tokenizer.decode(tokenizer.encode(text));
                }
                for (int id = 0; id <= tokenizer.vocabulary(); id++) {
                    tokenizer.decode(new int[] {id});
                }
            } catch (BadInputException e) {
                continue; // refused, which is as good
            }
        }
        System.out.println("done");
    }

    static Process start(Path folder, long from, long to) throws IOException {
        return new ProcessBuilder(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java",
                "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-XX:-CreateCoredumpOnCrash", "-XX:ErrorFile=/dev/null",
                "--enable-native-access=ALL-UNNAMED", "-cp", System.getProperty("java.class.path"), TokenizerChild.class.getName(),
                folder.toString(), Long.toString(from), Long.toString(to)).redirectErrorStream(true).start();
    }

    /** A value somewhere in one definition replaced by one from anywhere in another, one to three times. */
    private static byte[] exchanged(List<byte[]> originals, long seed) {
        Random random = new Random(seed);
        Object json = JSON.readValue(originals.get((int) (seed % originals.size())), Object.class);
        for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
            Object other = JSON.readValue(originals.get(random.nextInt(originals.size())), Object.class);
            List<Runnable> places = new ArrayList<>();
            List<Object> values = new ArrayList<>(List.of("", "a", 0, -1, 1, 4294967296L, 0.5, true, List.of(), Map.of(), " ", "é",
                    "(a|a|aa)+$", "\\s*\\s*\\s*x", "[", "▁"));
            walk(other, values::add, null);
            walk(json, value -> { }, replace -> places.add(() -> replace.accept(values.get(random.nextInt(values.size())))));
            places.get(random.nextInt(places.size())).run();
        }
        return JSON.writeValueAsBytes(json);
    }

    @SuppressWarnings("unchecked")
    private static void walk(Object value, java.util.function.Consumer<Object> values,
                             java.util.function.Consumer<java.util.function.Consumer<Object>> places) {
        values.accept(value);
        if (value instanceof Map<?, ?> map) {
            List.copyOf(map.keySet()).stream().filter(key -> !key.equals("vocab") && !key.equals("merges")).forEach(key -> {
                if (places != null) {
                    places.accept(with -> ((Map<Object, Object>) map).put(key, with));
                }
                walk(map.get(key), values, places);
            });
        } else if (value instanceof List<?> list) {
            for (int i = 0; i < list.size(); i++) {
                int at = i;
                if (places != null) {
                    places.accept(with -> ((List<Object>) list).set(at, with));
                }
                walk(list.get(i), values, places);
            }
        }
    }

    /** One definition of each kind of model, between them with every kind of part. */
    static List<byte[]> originals() throws IOException {
        String added = "[{\"id\":1,\"content\":\"</s>\",\"single_word\":false,\"lstrip\":true,\"rstrip\":false,\"normalized\":true,"
                + "\"special\":false},{\"id\":7,\"content\":\"[PAD]\",\"single_word\":true,\"lstrip\":false,\"rstrip\":true,"
                + "\"normalized\":false,\"special\":true}]";
        String unigram = definition("""
                {"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":"%s"},{"type":"Strip",\
                "strip_left":true,"strip_right":false},{"type":"Replace","pattern":{"Regex":" {2,9}"},"content":" "},{"type":"NFKC"}]}
                """.formatted(charsmap()), """
                {"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"▁",\
                "prepend_scheme":"always","split":true},{"type":"UnicodeScripts"},{"type":"FixedLength","length":5}]}""", """
                {"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}""", """
                {"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<unk>",0.0],["</s>",0.0],["▁",-2.5],["a",-3.0],\
                ["▁a",-4],["hello",-5.5],["é",-6.0]]}""", added);
        String llama = definition("""
                {"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},\
                "content":"▁"}]}""", "null", """
                {"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},\
                {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}""", """
                {"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":"a","end_of_word_suffix":null,\
                "fuse_unk":true,"byte_fallback":true,"ignore_merges":true,"vocab":{"<unk>":0,"</s>":1,"<0x0A>":2,"▁":3,"h":4,"ae":5,\
                "he":6},"merges":["h ae"]}""", added);
        String words = definition("""
                {"type":"Sequence","normalizers":[{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,\
                "strip_accents":null,"lowercase":true},{"type":"NFD"},{"type":"StripAccents"},{"type":"Nmt"},{"type":"ByteLevel"},\
                {"type":"Lowercase"},{"type":"NFC"},{"type":"NFKD"}]}""", """
                {"type":"Sequence","pretokenizers":[{"type":"BertPreTokenizer"},{"type":"Punctuation","behavior":"Isolated"},\
                {"type":"Digits","individual_digits":true},{"type":"CharDelimiterSplit","delimiter":"-"},{"type":"Whitespace"}]}""",
                "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}", """
                {"type":"WordPiece","unk_token":"<unk>","continuing_subword_prefix":"##","max_input_chars_per_word":100,\
                "vocab":{"<unk>":0,"</s>":1,"h":2,"##e":3,"a":4,"hello":5,"1":6}}""", added);
        String level = definition("null", "{\"type\":\"Whitespace\"}",
                "{\"type\":\"CTC\",\"pad_token\":\"[PAD]\",\"word_delimiter_token\":\"|\",\"cleanup\":true}", """
                {"type":"WordLevel","unk_token":"<unk>","vocab":{"<unk>":0,"</s>":1,"a":2,"x":3,"hello":4,"world":5,"1":6}}""", added);
        String old = level.replace("{\"type\":\"CTC\",\"pad_token\":\"[PAD]\",\"word_delimiter_token\":\"|\",\"cleanup\":true}",
                "{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}");
        try (InputStream in = TokenizerChild.class.getResourceAsStream("/golden/ids/special/tokenizer.json")) {
            String bpe = new String(in.readAllBytes(), StandardCharsets.UTF_8);
            Map<String, Object> llama3 = new LinkedHashMap<>(JSON.readValue(bpe, Map.class));
            llama3.put("pre_tokenizer", JSON.readValue("""
                    {"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(?i:'s|'t)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+\
                    |\\\\p{N}{1,3}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"},"behavior":"Isolated",\
                    "invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}""", Object.class));
            return java.util.stream.Stream.of(unigram, llama, words, level, old, bpe, JSON.writeValueAsString(llama3))
                    .map(text -> text.getBytes(StandardCharsets.UTF_8)).toList();
        }
    }

    private static String definition(String normalizer, String preTokenizer, String decoder, String model, String added) {
        List<String> values = List.of(normalizer, preTokenizer, decoder, model, added);
        StringBuilder json = new StringBuilder("{\"version\":\"1.0\"");
        for (int i = 0; i < SECTIONS.size(); i++) {
            json.append(",\"").append(SECTIONS.get(i)).append("\":").append(values.get(i));
        }
        return json.append('}').toString();
    }

    /** A table that makes A of Å and nothing of U+0001. */
    static String charsmap() {
        int[] units = new int[512];
        units[0] = 256 << 10;
        units[256 ^ 0xC3] = 0xC3 | (256 ^ 0xC3 ^ 256) << 10; // the next byte begins again at 256
        units[256 ^ 0x85] = 0x85 | 1 << 8 | (256 ^ 0x85 ^ 511) << 10;
        units[511] = 1 << 31;
        units[256 ^ 1] = 1 | 1 << 8 | (256 ^ 1 ^ 510) << 10;
        units[510] = 1 << 31 | 1;
        ByteBuffer bytes = ByteBuffer.allocate(4 + 4 * units.length + 2).order(ByteOrder.LITTLE_ENDIAN).putInt(4 * units.length);
        for (int unit : units) {
            bytes.putInt(unit);
        }
        return Base64.getEncoder().encodeToString(bytes.put((byte) 'A').put((byte) 0).array());
    }
}
