package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Ids equal to Hugging Face's tokenizers on odd texts (src/test/golden/tokenizer.py), for both kinds of tokenizer. */
class TokenizerTest {
    @TempDir
    Path folder;

    @Test
    void gpt2EqualsHuggingFace() throws IOException {
        Tokenizer tokenizer = Tokenizer.gpt2();
        assertEquals(50257, tokenizer.vocabulary());
        assertEquals(50256, tokenizer.endOfText());
        assertGolden("gpt2-tokenizer.json", tokenizer);
        assertEquals("<|endoftext|>", tokenizer.decode(new int[] {50256}));
        int[] padded = {50303, 31373, 50257, -1};
        assertEquals("\uFFFDhello\uFFFD\uFFFD", tokenizer.decode(padded), "rows that pad a vocabulary");
    }

    @Test
    void tokenizerJsonEqualsHuggingFace() throws IOException {
        copySmall();
        try (Tokenizer tokenizer = Tokenizer.of(folder)) {
            assertInstanceOf(HuggingFaceTokenizer.class, tokenizer);
            assertEquals(0, tokenizer.endOfText());
            assertGolden("small-tokenizer.json", tokenizer);
            assertEquals("\uFFFDhello\uFFFD\uFFFD", tokenizer.decode(new int[] {50303, 262, 50257, -1}).strip());
            String longText = "hello world ".repeat(3000);
            assertEquals(longText, tokenizer.decode(tokenizer.encode(longText)), "cut");
            Path copy = Files.createDirectory(folder.resolve("copy"));
            tokenizer.save(copy);
            assertEquals(-1, Files.mismatch(folder.resolve("tokenizer.json"), copy.resolve("tokenizer.json")));
        }
    }

    @Test
    void endOfTextIsNamedBesideTheTokenizer() throws IOException {
        copySmall();
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"eos_token\": {\"content\": \"hello\"}}");
        try (Tokenizer tokenizer = Tokenizer.of(folder)) {
            assertArrayEquals(new int[] {tokenizer.endOfText()}, tokenizer.encode("hello"));
        }
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"eos_token\": \"</s>\"}");
        assertTrue(failure().startsWith(folder + ": </s> is named as the token that ends a text, but the tokenizer has no such "
                + "token; let transformers write it: python3 -c "), failure());
    }

    @Test
    void writesGpt2sOwnFiles() throws IOException {
        Tokenizer.gpt2().save(folder);
        assertEquals(Gpt2Vocabulary.PUBLISHED_VOCABULARY, Sha256.hex(Sha256.of(folder.resolve("vocab.json"))));
        assertEquals(Gpt2Vocabulary.PUBLISHED_MERGES, Sha256.hex(Sha256.of(folder.resolve("merges.txt"))));
        assertSame(Tokenizer.gpt2(), Tokenizer.of(folder));
        Files.writeString(folder.resolve("vocab.json"), Files.readString(folder.resolve("vocab.json")) + "\n");
        assertSame(Tokenizer.gpt2(), Tokenizer.of(folder), "the same in other bytes");
        Files.writeString(folder.resolve("vocab.json"), "{\"a\": 0}");
        assertTrue(failure().startsWith(folder + ": vocab.json or merges.txt are not GPT-2's and there is no tokenizer.json; "
                + "let transformers write it: python3 -c "), failure());
    }

    @Test
    void refusesWhatItCannotUse() throws IOException {
        Files.writeString(folder.resolve("config.json"), ModelSettings.of(SafetensorsFile.TINY).toJson());
        assertEquals(folder + ": has no tokenizer.json, and its vocabulary of 11 is too small for GPT-2's own tokenizer of "
                + "50257; put tokenizer.json beside", failure());
        Files.writeString(folder.resolve("tokenizer.json"), "{}");
        assertEquals(folder.resolve("tokenizer.json") + ": has no model; not a tokenizer.json of the tokenizers library", failure());
        Files.writeString(folder.resolve("tokenizer.json"), "{\"model\": {\"type\": \"None\", \"vocab\": {\"a\": 0}}}");
        assertEquals(folder.resolve("tokenizer.json") + ": model has the type None, which Lethe does not read; take the "
                + "tokenizer.json that came with the model", failure());
        Files.writeString(folder.resolve("tokenizer.json"), "{\"model\": {\"merges\": [], \"vocab\": {\"a\": 0}},"
                + "\"pre_tokenizer\": {\"type\": \"Digits\"}}");
        assertTrue(failure().startsWith(folder.resolve("tokenizer.json") + ": not a tokenizer this version can read ("), failure());
        Files.writeString(folder.resolve("tokenizer.json"), "{\"model\": {\"vocab\": {\"a\": -4}}}");
        assertEquals(folder.resolve("tokenizer.json") + ": token a has the id -4; must be a whole number from 0", failure());
    }

    private void assertGolden(String name, Tokenizer tokenizer) throws IOException {
        JsonNode rows;
        try (InputStream in = TokenizerTest.class.getResourceAsStream("/golden/" + name)) {
            rows = new JsonMapper().readTree(in);
        }
        assertTrue(rows.size() > 30);
        for (JsonNode row : rows) {
            String text = row.get("text").stringValue();
            int[] ids = row.get("ids").valueStream().mapToInt(JsonNode::intValue).toArray();
            assertArrayEquals(ids, tokenizer.encode(text), text);
            assertEquals(text, tokenizer.decode(ids));
        }
    }

    private void copySmall() throws IOException {
        try (InputStream in = TokenizerTest.class.getResourceAsStream("/golden/small-tokenizer/tokenizer.json")) {
            Files.copy(in, folder.resolve("tokenizer.json"));
        }
    }

    private String failure() {
        return assertThrows(BadInputException.class, () -> Tokenizer.of(folder).close()).getMessage();
    }
}
