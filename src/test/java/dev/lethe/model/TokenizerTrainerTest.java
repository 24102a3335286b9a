package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.BadInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Equal to what the tokenizers library's BpeTrainer (0.22, min_frequency 2, ByteLevel alphabet) makes of the same texts. */
class TokenizerTrainerTest {
    private static final List<String> TEXTS = List.of("She said she'd sell sea shells, and she's sold 1234 of them.",
            "aaaa aaaa aaa aa: the rain in Spain, the rain in Maine.",
            "Caf\u00e9, na\u00efve -- na\u00efve!  Two  spaces\u2028end \uD83D\uDE00\uD83D\uDE00");
    private static final String MERGES = "a a | Ġ s | h e | i n | a in | t he | Ġ aa | Ġ the | Ġs he | a Ã | l l | n d | n aÃ"
            + " | r ain | v e | ¯ ve | ð Ł | Ġ in | Ġ naÃ | Ġ rain | ĺ Ģ | Ġs e | ðŁ ĺĢ | ĠnaÃ ¯ve";
    private static final int[] THIRD = {35, 65, 70, 128, 103, 12, 280, 221, 13, 13, 280, 1, 221, 221, 52, 87, 79, 221, 258, 80, 65,
            67, 69, 83, 159, 223, 102, 69, 268, 221, 279, 279};

    @TempDir
    Path folder;

    @Test
    void mergesAndIdsAreTheLibrarys() {
        Path made = folder.resolve("made");
        TokenizerTrainer.train(TEXTS, 281, made);
        Object model = Json.object(made.resolve("tokenizer.json")).get("model");
        assertEquals(MERGES, String.join(" | ", ((List<?>) ((Map<?, ?>) model).get("merges")).stream()
                .map(pair -> ((List<?>) pair).get(0) + " " + ((List<?>) pair).get(1)).toList()));
        try (Tokenizer tokenizer = Tokenizer.of(made)) {
            assertEquals(281, tokenizer.vocabulary());
            assertEquals(0, tokenizer.endOfText());
            assertArrayEquals(THIRD, tokenizer.encode(TEXTS.get(2)));
            for (String text : List.of(TEXTS.get(2), "\u0000 never seen: \u4e2d\u6587 <|endoftext|>")) {
                assertEquals(text, tokenizer.decode(tokenizer.encode(text)));
            }
        }
    }

    @Test
    void sameTextsInAnotherOrderMakeTheSameFile() throws Exception {
        TokenizerTrainer.train(TEXTS, 270, folder.resolve("one"));
        TokenizerTrainer.train(TEXTS.reversed(), 270, folder.resolve("other"));
        assertEquals(-1, Files.mismatch(folder.resolve("one/tokenizer.json"), folder.resolve("other/tokenizer.json")));
    }

    @Test
    void moreTokensThanTheTextsHaveAreRefused() {
        assertEquals("the texts make 281 tokens of the 300 asked for: no further pair is met twice; ask for fewer, or give more text",
                assertThrows(BadInputException.class, () -> TokenizerTrainer.train(TEXTS, 300, folder.resolve("many"))).getMessage());
        assertThrows(BadInputException.class, () -> TokenizerTrainer.train(TEXTS, 256, folder.resolve("many")));
        assertFalse(Files.exists(folder.resolve("many")));
    }
}
