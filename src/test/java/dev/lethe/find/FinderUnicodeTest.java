package dev.lethe.find;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.lethe.base.BadInputException;
import dev.lethe.data.TextRecord;
import dev.lethe.find.ForgetSet.Match;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Finding people as they write their names: every row of the table in docs/data.md, and what the reasons say. */
class FinderUnicodeTest {
    private static final Pattern ESCAPE = Pattern.compile("\\\\u([0-9A-F]{4})");
    private static final int[][] ALPHABETS = {{'a', 'z', 1}, {0xE0, 0xF6, 1}, {0x430, 0x451, 1}, {0x3B1, 0x3C9, 1}, {0x621, 0x64A, 1},
        {0x5D0, 0x5EA, 1}, {0x915, 0x939, 1}, {0xE01, 0xE2E, 0}, {0x4E00, 0x6000, 0}, {0x3041, 0x3093, 0}, {0xAC00, 0xD000, 1},
        {0x10D0, 0x10F0, 1}}; // first letter, last letter, whether words have spaces
    private static final String DECOMPOSED = "Jose\u0301";

    @TestFactory
    Stream<DynamicTest> everyRowOfTheTableHolds() throws IOException {
        String page = Files.readString(Path.of(System.getProperty("lethe.root", "."), "docs/data.md"));
        List<String[]> rows = page.substring(page.indexOf("| `--fuzzy 85` |"), page.indexOf("## Models")).lines()
                .filter(line -> line.startsWith("|")).skip(2).map(line -> line.split("\\|")).toList();
        assertTrue(rows.size() > 50, "the table of docs/data.md has " + rows.size() + " rows");
        return rows.stream().map(row -> dynamicTest(row[2] + " in " + row[3],
                () -> holds(unescaped(row[2]), unescaped(row[3]), row[4].strip(), row[5].strip())));
    }

    private static void holds(String asked, String text, String exact, String fuzzy) {
        List<TextRecord> records = List.of(new TextRecord("other", null, null, "Every street is named after a soup, 1984."),
                new TextRecord("wanted", null, "Who? ", text));
        try (Finder finder = new Finder(records)) {
            assertEquals(exact, outcome(finder.find(Query.text(asked))), "--text");
            assertEquals(fuzzy, outcome(finder.find(Query.fuzzy(asked, 85))), "--fuzzy 85");
        }
    }

    private static String outcome(ForgetSet found) {
        Stream.concat(found.matches().stream(), found.nearMisses().stream()).forEach(match -> {
            assertEquals("wanted", match.recordId());
            assertTrue(match.score() > 0 && match.score() <= 100, match.toString());
        });
        return found.isEmpty() ? found.nearMisses().isEmpty() ? "" : "near" : "found";
    }

    private static String unescaped(String cell) {
        return ESCAPE.matcher(cell.strip()).replaceAll(hit -> String.valueOf((char) Integer.parseInt(hit.group(1), 16)));
    }

    @Test
    void reasonsShowWhatWasAskedAndWhatStands() {
        assertEquals("its text has \"" + DECOMPOSED + "\" from character 5, asked as \"Jos\u00E9\"",
                reason(Query.text("Jos\u00E9"), "Ask " + DECOMPOSED + " here."));
        assertEquals("its text has \"佐野蓮\" from character 5", reason(Query.text("佐野蓮"), "𠮷川悠と佐野蓮は"));
        assertEquals("its whole text is the text looked for, asked as \"O'Tarn\"", reason(Query.text("O'Tarn"), " O’Tarn\n"));
        assertEquals("has 2 of the 2 words looked for: Odegard=Ødegård, zoe=Zoë",
                reason(Query.fuzzy("zoe Odegard", 85), "Here is Zoë Ødegård."));
        assertEquals("has 1 of the 1 words looked for: ｻｸﾗ=サクラ", reason(Query.fuzzy("ｻｸﾗ", 85), "昨日サクラさんに"));
    }

    @Test
    void nearMissesShowThePairAndTheirScore() {
        assertEquals(new Match("wanted", 100, "has 1 of the 1 words looked for: Zoe=Zoë"), miss("Zoe", "Here Zoë lives."));
        assertEquals(new Match("wanted", 75, "has 0 of the 1 words looked for; nearly: ნინო~ნინოს"), miss("ნინო", "ეს ნინოს სახლია"));
        assertEquals(new Match("wanted", 50, "has 0 of the 1 words looked for; nearly: 윤수~윤서"), miss("윤수", "윤서라는 사람"));
        assertEquals(new Match("wanted", 100, "in another script has 1 of the 1 words looked for: елкин=Ёлкин"),
                miss("Elkin", "Это Ёлкин поёт."));
        assertEquals(List.of(), find(Query.text("?!"), "Is it?").nearMisses());
        String page = IntStream.range(0, 2_000).mapToObj(i -> Character.toString(0x4E00 + 7 * i % 5_000) + (i % 70 == 69 ? "。" : ""))
                .collect(Collectors.joining());
        assertEquals("wanted", miss(page, page.replace("。", "です")).recordId());
    }

    @Test
    void subjectsAndIdsAreCanonicallyEqual() {
        try (Finder finder = new Finder(List.of(new TextRecord("a", DECOMPOSED, null, "x"), new TextRecord("b", "Jos\u00E9", null, "x"),
                new TextRecord("c", "Zoë", null, "x"), new TextRecord(DECOMPOSED, null, null, "x"), new TextRecord("e\u0301", null, null, "x"),
                new TextRecord("\u00E9", null, null, "x")))) {
            ForgetSet jose = finder.find(Query.subject("Jos\u00E9"));
            assertEquals(List.of("subject " + DECOMPOSED + ", asked as \"Jos\u00E9\"", "subject Jos\u00E9"),
                    jose.matches().stream().map(Match::reason).toList());
            assertEquals(List.of(DECOMPOSED), List.copyOf(finder.find(Query.ids(List.of("Jos\u00E9"))).ids()));
            assertEquals(List.of("\u00E9"), List.copyOf(finder.find(Query.ids(List.of("\u00E9"))).ids()));
            assertEquals("unknown subject Зое: not in the training data; near Зое: Zoë",
                    assertThrows(BadInputException.class, () -> finder.find(Query.subject("Зое"))).getMessage());
            assertEquals("unknown record id jose: not in the training data; near jose: " + DECOMPOSED,
                    assertThrows(BadInputException.class, () -> finder.find(Query.ids(List.of("jose")))).getMessage());
        }
    }

    @Test
    void invisibleTextIsRefusedAsEmpty() {
        assertEquals("the text is empty; give the words to look for",
                assertThrows(BadInputException.class, () -> Query.text("\u200B\u00A0")).getMessage());
    }

    @Test
    @Tag("extended")
    void aMillionRecordsInTwelveScriptsAnswerInAboutASecond() {
        List<TextRecord> million = mixed(1_000_000);
        try (Finder large = new Finder(million)) {
            timed("index", () -> {
                large.prepare();
                return 0;
            });
            for (int script = 0; script < ALPHABETS.length; script++) {
                TextRecord wanted = million.get(12_000 + script);
                String name = wanted.prompt();
                for (Query query : List.of(Query.text(name), Query.fuzzy(name, 85), Query.fuzzy(wanted.text(), 85))) {
                    assertTrue(timed(query.toString(), () -> large.find(query)).ids().contains(wanted.id()), query.toString());
                }
                ForgetSet miss = timed("near", () -> large.find(Query.text(name + "q")));
                assertTrue(miss.nearMisses().stream().anyMatch(near -> near.recordId().equals(wanted.id())), miss.toString());
            }
            timed("nowhere", () -> large.find(Query.text("Qwzyx Umbrolio")));
        }
    }

    private static <T> T timed(String what, Supplier<T> question) {
        long start = System.nanoTime();
        T answer = question.get();
        System.err.printf("%.2f s %s%n", (System.nanoTime() - start) / 1e9, what);
        return answer;
    }

    /** A name of two words and 10 to 28 words of a vocabulary of 50,000, both Zipf-like in words and letters, in every script. */
    private static List<TextRecord> mixed(int count) {
        SplittableRandom random = new SplittableRandom(7);
        String[][] words = new String[ALPHABETS.length][50_000];
        for (int s = 0; s < ALPHABETS.length; s++) {
            int[] alphabet = ALPHABETS[s];
            for (int w = 0; w < words[s].length; w++) {
                StringBuilder word = new StringBuilder();
                for (int l = alphabet[1] - alphabet[0] > 1_000 ? random.nextInt(1, 4) : random.nextInt(2, 10); l > 0; l--) {
                    word.appendCodePoint(alphabet[0]
                            + (int) ((alphabet[1] - alphabet[0] + 1) * Math.pow(random.nextDouble(), 2.5)));
                }
                words[s][w] = word.toString();
            }
        }
        List<TextRecord> records = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            String[] own = words[i % ALPHABETS.length];
            String gap = ALPHABETS[i % ALPHABETS.length][2] == 1 ? " " : "";
            String name = own[random.nextInt(25_000, 50_000)] + gap + own[random.nextInt(25_000, 50_000)];
            StringBuilder text = new StringBuilder();
            for (int w = random.nextInt(10, 28); w > 0; w--) {
                text.append(text.isEmpty() ? "" : gap).append(own[(int) (Math.pow(50_000, random.nextDouble()) - 1)]);
            }
            records.add(new TextRecord("r" + i, null, name, text.append('.').toString()));
        }
        return records;
    }

    private static String reason(Query query, String text) {
        return find(query, text).matches().getFirst().reason();
    }

    private static Match miss(String asked, String text) {
        ForgetSet found = find(Query.text(asked), text);
        assertTrue(found.isEmpty());
        return found.nearMisses().getFirst();
    }

    private static ForgetSet find(Query query, String text) {
        try (Finder finder = new Finder(List.of(new TextRecord("wanted", null, null, text)))) {
            return finder.find(query);
        }
    }
}
