package dev.lethe.model;

import com.knuddels.jtokkit.Encodings;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Sha256;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * GPT-2's vocabulary as the files transformers wants, derived from the ranks in the jtokkit library: {@code vocab.json}
 * names every token in printable characters (one a byte), {@code merges.txt} tells for each longer token the two it was
 * joined from. The pair is found by merging the token's bytes with all lower ranks, which leaves exactly two parts.
 */
final class Gpt2Vocabulary {
    private static final String RANKS = "/com/knuddels/jtokkit/r50k_base.tiktoken";
    private static final int BYTES = 256;

    /** SHA-256 of the files as OpenAI published them, which spares most folders the comparison in full. */
    static final String PUBLISHED_VOCABULARY = "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783";
    static final String PUBLISHED_MERGES = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5";

    /** Printable name of each token, by id, without end of text. */
    private final List<String> tokens;

    private final Map<String, Integer> ids;

    private Gpt2Vocabulary(List<String> tokens) {
        this.tokens = tokens;
        this.ids = HashMap.newHashMap(tokens.size());
        for (int id = 0; id < tokens.size(); id++) {
            ids.put(tokens.get(id), id);
        }
    }

    /** The files' bytes, 1.5 MB, made once: deriving them takes most of a second and every saved checkpoint has them. */
    private static final class Texts {
        static final byte[] VOCABULARY = read().vocabJson().getBytes(StandardCharsets.US_ASCII);
        static final byte[] MERGES = read().mergesText().getBytes(StandardCharsets.UTF_8);
    }

    /** Writes vocab.json, merges.txt and a tokenizer_config.json into a folder. */
    static void write(Path folder) throws IOException {
        PrivateFiles.write(folder.resolve(TokenizerFiles.VOCABULARY), Texts.VOCABULARY);
        PrivateFiles.write(folder.resolve(TokenizerFiles.MERGES), Texts.MERGES);
        PrivateFiles.write(folder.resolve(TokenizerFiles.SETTINGS), """
                {
                  "add_prefix_space": false,
                  "bos_token": "<|endoftext|>",
                  "eos_token": "<|endoftext|>",
                  "tokenizer_class": "GPT2Tokenizer",
                  "unk_token": "<|endoftext|>"
                }
                """);
    }

    /** Whether a folder's vocab.json and merges.txt are GPT-2's. @throws BadInputException when they cannot be read */
    static boolean isIn(Path folder) {
        byte[] vocab = Json.bytes(folder.resolve(TokenizerFiles.VOCABULARY));
        byte[] merges = Json.bytes(folder.resolve(TokenizerFiles.MERGES));
        if (Sha256.hex(Sha256.of(vocab)).equals(PUBLISHED_VOCABULARY) && Sha256.hex(Sha256.of(merges)).equals(PUBLISHED_MERGES)) {
            return true;
        }
        Gpt2Vocabulary own = read();
        Map<String, Object> expected = new HashMap<>(own.ids);
        expected.put(Gpt2Tokenizer.END_OF_TEXT_NAME, Gpt2Tokenizer.END_OF_TEXT);
        return Json.object(vocab, folder.resolve(TokenizerFiles.VOCABULARY)).equals(expected)
                && merges(new String(merges, StandardCharsets.UTF_8)).equals(
                        merges(new String(Texts.MERGES, StandardCharsets.UTF_8)));
    }

    private static List<String> merges(String text) {
        return text.lines().filter(line -> !line.isBlank() && !line.startsWith("#version")).toList();
    }

    private static Gpt2Vocabulary read() {
        String[] printable = printable();
        String[] names = new String[Gpt2Tokenizer.END_OF_TEXT];
        try (InputStream in = Encodings.class.getResourceAsStream(RANKS);
                BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.US_ASCII))) {
            for (String line = lines.readLine(); line != null && !line.isBlank(); line = lines.readLine()) {
                int space = line.indexOf(' ');
                StringBuilder name = new StringBuilder();
                for (byte b : Base64.getDecoder().decode(line.substring(0, space))) {
                    name.append(printable[b & 0xFF]);
                }
                names[Integer.parseInt(line.substring(space + 1))] = name.toString();
            }
        } catch (IOException e) {
            throw new UncheckedIOException("jtokkit's r50k_base ranks", e);
        }
        return new Gpt2Vocabulary(List.of(names));
    }

    /** Python's json.dumps form, so that the file has the bytes OpenAI published. */
    private String vocabJson() {
        StringBuilder json = new StringBuilder("{");
        for (int id = 0; id < tokens.size(); id++) {
            appendQuoted(json, tokens.get(id)).append(": ").append(id).append(", ");
        }
        return appendQuoted(json, Gpt2Tokenizer.END_OF_TEXT_NAME).append(": ").append(Gpt2Tokenizer.END_OF_TEXT)
                .append('}').toString();
    }

    private String mergesText() {
        StringBuilder text = new StringBuilder("#version: 0.2\n");
        for (int id = BYTES; id < tokens.size(); id++) {
            List<String> parts = parts(tokens.get(id), id);
            text.append(parts.get(0)).append(' ').append(parts.get(1)).append('\n');
        }
        return text.toString();
    }

    /** Byte-pair merging of one token with the ranks below its own. */
    private List<String> parts(String token, int limit) {
        List<String> parts = new ArrayList<>(token.codePoints().mapToObj(Character::toString).toList());
        while (true) {
            int best = limit;
            int at = -1;
            for (int i = 0; i + 1 < parts.size(); i++) {
                int rank = ids.getOrDefault(parts.get(i) + parts.get(i + 1), limit);
                if (rank < best) {
                    best = rank;
                    at = i;
                }
            }
            if (at < 0) {
                return parts;
            }
            parts.set(at, parts.get(at) + parts.remove(at + 1));
        }
    }

    private static StringBuilder appendQuoted(StringBuilder json, String text) {
        json.append('"');
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < 0x7F) {
                json.append(c);
            } else {
                json.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            }
        }
        return json.append('"');
    }

    /** GPT-2's byte alphabet: printable Latin-1 bytes stand for themselves, the others for U+0100 and on. */
    private static String[] printable() {
        String[] names = new String[BYTES];
        int next = BYTES;
        for (int b = 0; b < BYTES; b++) {
            boolean itself = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            names[b] = Character.toString(itself ? b : next++);
        }
        return names;
    }
}
