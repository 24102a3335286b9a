package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Folders whose ids Lethe cannot be sure of are refused with the command that converts them, and definitions on which the
 * tokenizer library ends the process before they reach it: on 269420c each of those aborted the JVM.
 */
class TokenizerRefusalTest {
    @TempDir
    Path folder;

    @Test
    void gpt2sFilesWithTokensAddedAreNotGpt2s() throws IOException {
        Tokenizer.gpt2().save(folder);
        Files.writeString(folder.resolve("config.json"), ModelSettings.of(ModelShape.gpt2(1, 8, 2, 16)).toJson());
        assertSame(Tokenizer.gpt2(), Tokenizer.of(folder));
        Files.writeString(folder.resolve("added_tokens.json"), "{\"<|endoftext|>\": 50256}");
        assertSame(Tokenizer.gpt2(), Tokenizer.of(folder), "nothing new");
        Files.writeString(folder.resolve("added_tokens.json"), "{\"<|end|>\": 50257}");
        refused(folder + ": added_tokens.json or tokenizer_config.json adds <|end|> as id 50257, which is not in the tokenizer "
                + "itself; " + command("AutoTokenizer"));
        Files.delete(folder.resolve("added_tokens.json"));
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"added_tokens_decoder\": {\"50257\": {\"content\": \"<p>\"}}}");
        assertTrue(failure().contains("adds <p> as id 50257"), failure());
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"eos_token\": \"<|end|>\"}");
        assertTrue(failure().startsWith(folder + ": <|end|> is named as the token that ends a text, but"), failure());
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"add_prefix_space\": true}");
        assertTrue(failure().contains("(add_prefix_space) and there is no tokenizer.json"), failure());
        Files.delete(folder.resolve("tokenizer_config.json"));
        Files.writeString(folder.resolve("config.json"), Files.readString(folder.resolve("config.json"))
                .replace("\"eos_token_id\" : 50256", "\"eos_token_id\" : 13"));
        assertTrue(failure().contains("(eos_token_id 13) and there is no tokenizer.json"), failure());
    }

    @ParameterizedTest
    @CsvSource({"spiece.model,T5Tokenizer", "tokenizer.model,LlamaTokenizer", "sentencepiece.bpe.model,XLMRobertaTokenizer",
        "vocab.txt,BertTokenizer", "tekken.json,AutoTokenizer"})
    void otherTokenizersAreNotGpt2s(String file, String type) throws IOException {
        Files.writeString(folder.resolve("config.json"), ModelSettings.of(ModelShape.gpt2(1, 8, 2, 16)).toJson());
        Files.writeString(folder.resolve(file), "");
        refused(folder + ": has " + file + " but no tokenizer.json; " + command(type));
    }

    @Test
    void everyIdIsTheFiles() throws IOException {
        String added = ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}";
        bpe("\"added_tokens\":[{\"id\":5,\"content\":\"[PAD]\"" + added + "]");
        refused(file() + ": gives [PAD] the id 5, which the tokenizer library gives to no token; " + command("AutoTokenizer"));
        bpe("\"added_tokens\":[{\"id\":2,\"content\":\"[B]\"" + added + ",{\"id\":1,\"content\":\"[A]\"" + added + "]");
        refused(file() + ": gives [B] the id 2, which the tokenizer library gives to [A]; " + command("AutoTokenizer"));
        bpe("\"added_tokens\":[{\"id\":0,\"content\":\"[A]\"" + added + "]");
        refused(file() + ": the id 0 is that of a and of [A]");
        bpe("\"added_tokens\":[{\"id\":1,\"content\":\"a\"" + added + "]");
        refused(file() + ": token a has the ids 0 and 1");
        bpe("\"added_tokens\":[{\"id\":1,\"content\":\"[A]\"" + added + "]");
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"added_tokens_decoder\": {\"3\": {\"content\": \"[A]\"}}}");
        assertTrue(failure().contains("adds [A] as id 3, which is id 1 in the tokenizer itself; "), failure());
    }

    @Test
    void aSpaceBeforeEveryTextIsSaidInOnePlace() throws IOException {
        bpe("\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true}");
        Files.writeString(folder.resolve("tokenizer_config.json"), "{\"add_prefix_space\": true}");
        refused(file() + ": puts no space before a text, tokenizer_config.json beside it does; " + command("AutoTokenizer"));
        Files.writeString(folder.resolve("tokenizer_config.json"),
                "{\"add_prefix_space\": true, \"tokenizer_class\": \"PreTrainedTokenizerFast\"}"); // which does not look at it
        Tokenizer.of(folder).close();
    }

    @Test
    void theEndTokenOfConfigJson() throws IOException {
        bpe("\"added_tokens\":[]");
        for (String id : new String[] {"0", "[0, 7]"}) {
            Files.writeString(folder.resolve("config.json"), "{\"eos_token_id\": " + id + "}");
            try (Tokenizer tokenizer = Tokenizer.of(folder)) {
                assertEquals(0, tokenizer.endOfText());
            }
        }
        Files.writeString(folder.resolve("config.json"), "{\"eos_token_id\": 50256}"); // what GPT2Config writes unasked
        try (Tokenizer tokenizer = Tokenizer.of(folder)) {
            assertEquals(-1, tokenizer.endOfText());
        }
    }

    @Test
    void crafted() throws IOException {
        String take = "; take the tokenizer.json that came with the model";
        bpe("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"\"}");
        refused(file() + ": normalizer Precompiled: \"precompiled_charsmap\" must be the table of a SentencePiece model" + take);
        bpe("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAAAA==\"}");
        assertTrue(failure().contains("must be the table of a SentencePiece model"), failure());
        bpe("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(a|a|aa)+$\"},\"behavior\":\"Isolated\",\"invert\":false}");
        assertTrue(failure().contains(": pre_tokenizer: the regular expression \"(a|a|aa)+$\" repeats without bound"), failure());
        bpe("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(a|a|aa)+$\"},\"content\":\"\"}");
        assertTrue(failure().contains(": normalizer: the regular expression \"(a|a|aa)+$\" repeats without bound"), failure());
        bpe("\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}");
        refused(file() + ": pre_tokenizer FixedLength: \"length\" must be a whole number from 1 to 1000" + take);
        bpe("\"decoder\":{\"type\":\"Strip\",\"content\":\"a\",\"start\":0,\"stop\":2}");
        refused(file() + ": decoder Strip: \"stop\" must be 0" + take);
        bpe("\"decoder\":[]");
        refused(file() + ": decoder is not an object" + take);
        bpe("\"decoder\":{\"type\":\"Rot13\"}");
        refused(file() + ": decoder has the type Rot13, which Lethe does not read" + take);
        Files.writeString(file(), "{\"model\":{\"type\":\"BPE\",\"continuing_subword_prefix\":\"##\",\"vocab\":{\"a\":0,\"é\":1},"
                + "\"merges\":[\"a é\"]}}");
        refused(file() + ": the merge a é is not two tokens, the second with ## before it");
    }

    private void bpe(String more) throws IOException {
        Files.writeString(file(), "{" + more + ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}");
    }

    private Path file() {
        return folder.resolve("tokenizer.json");
    }

    private String command(String type) {
        return "let transformers write it: python3 -c \"from transformers import " + type + " as T; T.from_pretrained('" + folder
                + "').save_pretrained('" + folder + "')\"";
    }

    private void refused(String message) {
        assertEquals(message, failure());
    }

    private String failure() {
        return assertThrows(BadInputException.class, () -> Tokenizer.of(folder).close()).getMessage();
    }
}
