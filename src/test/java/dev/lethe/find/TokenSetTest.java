package dev.lethe.find;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.InputStream;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Words of a text, and their likeness against rapidfuzz and a slow obvious subsequence. */
class TokenSetTest {
    @Test
    void ratioEqualsRapidfuzz() throws Exception {
        try (InputStream in = TokenSetTest.class.getResourceAsStream("/golden/metrics.json")) {
            for (JsonNode pair : new JsonMapper().readTree(in).get("token_set_ratio")) {
                String a = pair.get("a").asString();
                String b = pair.get("b").asString();
                assertEquals(pair.get("score").asDouble(), TokenSet.of(a).ratio(TokenSet.of(b), 0), 1e-9, a + " | " + b);
                assertEquals(pair.get("score").asDouble(), TokenSet.of(b).ratio(TokenSet.of(a), 0), 1e-9, a + " | " + b);
            }
        }
    }

    @Test
    void wordsAreNormalised() {
        assertArrayEquals(new String[] {"2", "dave", "ffi", "s", "umbrolio"},
                TokenSet.of("  DAVE, Dave's U\u0308mbrolio! \uFB03 \u00B2 ").words);
        assertArrayEquals(new String[] {"日本", "本語", "국어", "한국"}, TokenSet.asked("한국어。日本語").words);
        assertArrayEquals(new String[] {"くら", "さくら", "ら", "佐野", "野"},
                TokenSet.of("佐野さくら").words);
        assertArrayEquals(new String[0], TokenSet.of(" ...—! ").words);
    }

    @Test
    void subsequenceEqualsTheTable() {
        SplittableRandom random = new SplittableRandom(1);
        for (int round = 0; round < 300; round++) {
            String a = text(random, random.nextInt(200));
            String b = text(random, random.nextInt(200));
            assertEquals(table(a, b), TokenSet.commonSubsequence(a, b), a + " | " + b);
        }
    }

    private static String text(SplittableRandom random, int length) {
        return random.ints(length, 0, 5).collect(StringBuilder::new,
                (builder, i) -> builder.append("ab é日".charAt(i)), StringBuilder::append).toString();
    }

    private static int table(String a, String b) {
        int[][] best = new int[a.length() + 1][b.length() + 1];
        for (int i = 1; i <= a.length(); i++) {
            for (int j = 1; j <= b.length(); j++) {
                best[i][j] = a.charAt(i - 1) == b.charAt(j - 1) ? best[i - 1][j - 1] + 1
                        : Math.max(best[i - 1][j], best[i][j - 1]);
            }
        }
        return best[a.length()][b.length()];
    }
}
