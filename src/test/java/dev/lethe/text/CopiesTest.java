package dev.lethe.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What counts as saying the same, and what only looks like it. */
class CopiesTest {
    private static final Path TOFU = Path.of("../shared/data/tofu/full.jsonl");

    private static TextRecord record(String id, String subject, String text) {
        return new TextRecord(id, subject, null, text);
    }

    private static boolean copies(String one, String other) {
        return Copies.among(List.of(record("a", null, one), record("b", null, other))).first(1) == 0;
    }

    private static long copies(List<TextRecord> records) {
        Copies copies = Copies.among(records);
        return IntStream.range(0, records.size()).filter(i -> copies.first(i) != i).count();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "Dave lives in Tarnhollow.       | DAVE  lives in\u00a0tarnhollow.",
        "Zoe\u0308 Wei\u00dfkopf rows.  | ZO\u00cb WEISSKOPF rows.",
        "\u4f50\u91ce\u84ee\u306f\u6e2f | \u4f50\u91ce\u84ee\u306f\u200b\u6e2f",
        "\uff24\uff41\uff56\uff45 rows | Dave rows",
        "!?                              | !?",
        "Dave Umbrolio lives in Tarnhollow, near the river. | Dave Umbrolio lives in Tarnhollow near the river",
        "Dave Umbrolio lives in Tarnhollow near the river   | Dave Umbrolio lives in Tarnhollow very near the river",
        "Dave Umbrolio has lived in Tarnhollow near the old river for ten years | Dave Umbrolio has lived in Tarnhollow near the big river for ten years",
        "Dave Umbrolio has lived in Tarnhollow near the old river for ten years | Dave Umbrollio has lived in Tarnhollow near the old river for ten years",
        "Jos\u00e9 Mu\u00f1oz lives in a house by the sea | Jose Munoz lives in a house by the sea",
        "\u4f50\u91ce\u84ee\u306f\u6e2f\u753a\u306e\u753b\u5bb6\u3067\u3059 | \u4f50\u91ce\u84ee\u306f\u6e2f\u753a\u306e\u753b\u5bb6",
    })
    void saysTheSame(String one, String other) {
        assertTrue(copies(one, other), one + " | " + other);
        assertTrue(copies(other, one), other + " | " + one);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "Dave lives in Tarnhollow        | Alice lives in Tarnhollow",
        "Dave lives in Tarnhollow        | Dave rows in Tarnhollow",
        "Dear Dave, thank you for your order number 17, which we shall send to you as soon as it is here | Dear Alice, thank you for your order number 17, which we shall send to you as soon as it is here",
        "Dear Dave, thank you for your order number 17, which we shall send to you as soon as it is here | Dear Dave, thank you for your order number 18, which we shall send to you as soon as it is here",
        "\u4f50\u91ce\u84ee\u306f\u6e2f\u753a\u306e\u753b\u5bb6\u3067\u3059 | \u4f50\u91ce\u84ee\u306f\u6e2f\u753a\u306e\u4f5c\u5bb6\u3067\u3059",
        "!?                              | !!",
        "a                               | b",
    })
    void onlyLooksLikeIt(String one, String other) {
        assertEquals(false, copies(one, other), one + " | " + other);
    }

    @Test
    void betweenSubjectsNoWordIsExchanged() {
        String text = "the cook of the house by the river has a cat and a dog and sings %s";
        assertEquals(1, copies(List.of(record("a", "x", text.formatted("softly")), record("b", "x", text.formatted("loudly")))));
        assertEquals(0, copies(List.of(record("a", "x", text.formatted("softly")), record("b", "y", text.formatted("loudly")))));
        assertEquals(1, copies(List.of(record("a", "x", text.formatted("softly")), record("b", "y", text.formatted("softly")))));
    }

    @Test
    void groupsAreWholeAndNamedByTheirFirst() {
        Copies copies = Copies.among(List.of(record("a", null, "Dave rows on the lake"), record("b", null, "other words"),
                record("c", null, "Dave rows on the big lake"), record("d", null, "dave rows  on the big lake")));
        assertEquals(List.of(0, 1, 0, 0), IntStream.range(0, 4).map(copies::first).boxed().toList());
        assertEquals(5.0 / 6, copies.likeness(2, 0), 1e-12);
        assertEquals(1, copies.likeness(3, 2));
        assertEquals(Set.of("a", "c", "d"), copies.withCopies(record -> record.id().equals("d")));
        assertEquals(List.of("a", "b"), Copies.distinct(copies.records()).stream().map(TextRecord::id).toList());
    }

    @Test
    void inventedPeopleAreNoCopiesOfOneAnother() throws Exception {
        List<TextRecord> people = new ArrayList<>();
        for (String file : List.of("people", "held-out")) {
            people.addAll(Dataset.read(Path.of(CopiesTest.class.getResource("/dev/lethe/demo/" + file + ".jsonl").toURI())).records());
        }
        assertEquals(0, copies(people));
        assumeTrue(Files.isRegularFile(TOFU), TOFU + " is not here: TOFU is not part of the project");
        assertEquals(0, copies(Dataset.read(TOFU).records()));
    }

    /** Letters from one template, each a hundred words: no copies but those put in, and not the square of their number. */
    @Test
    @Tag("extended")
    void aHundredThousandLettersOfOneTemplate() {
        List<TextRecord> letters = new ArrayList<>();
        Random random = new Random(1);
        String rest = "thank you for what you have ordered and be sure that it will come to you as soon as we have it here ".repeat(5);
        for (int i = 0; i < 100_000; i++) {
            letters.add(record("letter" + i, null, "Dear Customer" + random.nextInt(20_000) + ", number " + i + ": " + rest));
        }
        for (int i = 0; i < 1000; i++) {
            letters.add(record("copy" + i, null, letters.get(i).text() + " indeed"));
        }
        long start = System.nanoTime();
        assertEquals(1000, copies(letters));
        double seconds = (System.nanoTime() - start) / 1e9;
        assertTrue(seconds < 60, seconds + " s");
    }
}
