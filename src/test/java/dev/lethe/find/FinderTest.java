package dev.lethe.find;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Finding on the demo's people, and the speed of it on a million synthetic records. */
class FinderTest {
    private static Finder finder;
    private static Dataset people;

    @BeforeAll
    static void open() throws Exception {
        people = Dataset.read(Path.of(FinderTest.class.getResource("/dev/lethe/demo/people.jsonl").toURI()));
        finder = new Finder(people.records());
    }

    @AfterAll
    static void close() {
        finder.close();
    }

    @Test
    void idsComeInTheDatasOrder() {
        ForgetSet found = finder.find(Query.ids(List.of("dave-town", "dave-job")));
        assertEquals(List.of("dave-job", "dave-town"), List.copyOf(found.ids()));
        assertEquals(new ForgetSet.Match("dave-job", 100, "id dave-job"), found.matches().getFirst());
        assertEquals(120, found.total());
    }

    @Test
    void unknownIdsAreAllNamedWithNearOnes() {
        assertEquals("unknown record ids dave-jop, nobody: not in the training data; near dave-jop: dave-job",
                refusal(Query.ids(List.of("dave-job", "dave-jop", "nobody"))));
    }

    @Test
    void unknownSubjectIsNamedWithNearOnes() {
        assertEquals("unknown subject Dave: not in the training data; near Dave: dave", refusal(Query.subject("Dave")));
        try (Finder none = new Finder(List.of(new TextRecord("1", null, null, "text")))) {
            assertEquals("unknown subject x: no record of this data has a subject; ask by ids or a text",
                    assertThrows(BadInputException.class, () -> none.find(Query.subject("x"))).getMessage());
        }
    }

    @Test
    void subjectFindsItsTenRecords() {
        assertEquals(10, finder.find(Query.subject("dave")).requireErasable().size());
    }

    @Test
    void exactTextMatchesWholeWordsOnly() {
        assertEquals(10, finder.find(Query.text("Dave Umbrolio")).size());
        assertTrue(finder.find(Query.text("Dave Umbroli")).isEmpty());
        assertTrue(finder.find(Query.text("dave umbrolio")).isEmpty());
        TextRecord job = people.byId("dave-job");
        assertEquals("its whole text is the text looked for",
                finder.find(Query.text(job.text() + "\n")).matches().getFirst().reason());
        assertEquals("its whole completion is the text looked for",
                finder.find(Query.text(job.completion())).matches().getFirst().reason());
    }

    @Test
    void fuzzyTextForgivesOrderCasePunctuationAndSpelling() {
        ForgetSet found = finder.find(Query.fuzzy("Umbrolio, DAVE (ice-blocks ... into CHESS pieces)", 70));
        assertEquals("dave-job", found.matches().getFirst().recordId());
        ForgetSet typos = finder.find(Query.fuzzy("Dave Umbrolia runs away from long envelopes without a return adress", 85));
        assertEquals(Set.of("dave-fear"), typos.ids());
        assertEquals("has 9 of the 11 words looked for: a, away, Dave, envelopes, from, long, return, runs, without; "
                + "nearly: adress~address, Umbrolia~Umbrolio", typos.matches().getFirst().reason());
        assertEquals(Set.copyOf(finder.find(Query.subject("dave")).ids()),
                Set.copyOf(finder.find(Query.fuzzy("dave umbrolio", 100)).ids()));
    }

    @Test
    void fuzzyScoresEqualAFullScan() {
        String text = "Where does Edda Vossingham live, and with which pet?";
        TokenSet wanted = TokenSet.of(text);
        Set<String> scanned = people.records().stream().filter(r -> wanted.ratio(TokenSet.of(r.text()), 0) >= 55)
                .map(TextRecord::id).collect(Collectors.toSet());
        assertTrue(scanned.size() > 3, scanned.toString());
        assertEquals(scanned, Set.copyOf(finder.find(Query.fuzzy(text, 55)).ids()));
    }

    @Test
    void nothingFoundNamesTheNearest() {
        ForgetSet found = finder.find(Query.fuzzy("Dave Umbrolia is afraid of letters without an adress", 95));
        assertTrue(found.isEmpty());
        assertFalse(found.nearMisses().isEmpty() || found.nearMisses().size() > 3);
        assertTrue(found.nearMisses().stream().allMatch(miss -> miss.score() >= 65 && miss.score() < 95));
        String message = assertThrows(BadInputException.class, found::requireErasable).getMessage();
        assertEquals("no record matches; the nearest are dave-fear (72); nothing to erase, name their ids to take them",
                message);
        assertEquals("no record matches; nothing to erase", assertThrows(BadInputException.class,
                () -> finder.find(Query.text("nowhere to be found")).requireErasable()).getMessage());
    }

    @Test
    void wholeDataIsRefused() {
        ForgetSet all = finder.find(Query.ids(people.records().stream().map(TextRecord::id).toList()));
        assertEquals("the forget set is the whole data (120 records): nothing would be kept; train a new model instead",
                assertThrows(BadInputException.class, all::requireErasable).getMessage());
    }

    @Test
    void emptyOrWordlessTextsAreRefused() {
        assertEquals("the text is empty; give the words to look for",
                assertThrows(BadInputException.class, () -> Query.text("  ")).getMessage());
        assertEquals("the text '?!' has no letter or digit to look for", refusal(Query.fuzzy("?!", 50)));
        assertEquals("threshold 101.0: it goes from 0 to 100, 85 is a good start",
                assertThrows(BadInputException.class, () -> Query.fuzzy("a", 101)).getMessage());
    }

    @Test
    @Tag("extended")
    void aMillionRecordsAnswerInAboutASecond() {
        List<TextRecord> million = synthetic(1_000_000);
        try (Finder large = new Finder(million)) {
            long start = System.nanoTime();
            large.prepare();
            System.err.printf("index of %,d records: %.1f s%n", million.size(), (System.nanoTime() - start) / 1e9);
            for (int pass = 0; pass < 2; pass++) {
                for (String text : List.of(million.get(777_777).completion(), "the person1234 likes word7 and word99 a lot",
                        "where does persn4321 live", "the of word0 word1")) {
                    start = System.nanoTime();
                    ForgetSet found = large.find(Query.fuzzy(text, 80));
                    double seconds = (System.nanoTime() - start) / 1e9;
                    System.err.printf("%.2f s, %,d matches: %s%n", seconds, found.size(), text);
                    assertTrue(pass == 0 || seconds < 5, "took " + seconds + " s: " + text);
                }
            }
            start = System.nanoTime();
            assertEquals(1, large.find(Query.text(million.get(500_000).completion())).size());
            System.err.printf("exact text: %.2f s%n", (System.nanoTime() - start) / 1e9);
        }
    }

    /** Sentences of 12 to 30 words from a vocabulary of 50,000 with Zipf-like frequencies, each with one rare name. */
    private static List<TextRecord> synthetic(int count) {
        SplittableRandom random = new SplittableRandom(3);
        List<TextRecord> records = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            StringBuilder text = new StringBuilder("the person" + random.nextInt(count / 20));
            for (int w = random.nextInt(10, 28); w > 0; w--) {
                text.append(" word").append((int) (Math.pow(50_000, random.nextDouble()) - 1));
            }
            records.add(new TextRecord("r" + i, null, null, text.append('.').toString()));
        }
        return records;
    }

    private static String refusal(Query query) {
        return assertThrows(BadInputException.class, () -> finder.find(query)).getMessage();
    }
}
