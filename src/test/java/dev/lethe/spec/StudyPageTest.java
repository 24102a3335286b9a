package dev.lethe.spec;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.page.Interval;
import dev.lethe.page.Quantity;
import dev.lethe.page.Study;
import dev.lethe.page.StudyPage;
import dev.lethe.page.Variant;
import dev.lethe.run.RunJson;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * A study's page from made-up results: whole, well-formed, equal to the aggregates, and sound when things are missing.
 */
class StudyPageTest {
    private static final List<String> FIGURES = List.of("frontier-quality", "frontier-relearning",
            "influence-by-type-1", "influence-before-after", "influence-by-site", "influence-over-moves-1",
            "perplexity-rouge-1", "losses-over-moves-1", "space-time-1", "strategy-sites", "rate-steps",
            "sequential-erasure");

    @TempDir
    Path folder;

    @Test
    void writesAPageThatIsWellFormedAndEveryFigureAsSvgAndPng() throws Exception {
        Path page = StudyPage.write(folder, "A made-up study", MadeUpStudy.of(3, "one-author"));
        Document html = parse(page);
        int figures = html.getElementsByTagName("figure").getLength();
        assertTrue(figures >= FIGURES.size(), figures + " figures");
        assertEquals(figures, files("figures", ".svg").size());
        assertEquals(files("figures", ".svg"), files("figures", ".png"));
        assertTrue(files("figures", ".svg").containsAll(FIGURES), files("figures", ".svg").toString());
        for (String name : files("figures", ".svg")) {
            Element svg = parse(folder.resolve("figures/" + name + ".svg")).getDocumentElement();
            int width = Integer.parseInt(svg.getAttribute("viewBox").split(" ")[2]);
            assertEquals(2 * width, ImageIO.read(folder.resolve("figures/" + name + ".png").toFile()).getWidth(), name);
        }
        String text = Files.readString(page);
        assertFalse(text.contains("NaN") || text.contains("Infinity") || text.contains("null"), "every number is one");
        assertFalse(text.replace("http://www.w3.org/2000/svg", "").matches("(?s).*(http|src=|url\\(|@import).*"), "nothing is fetched");
        assertFalse(text.contains("left out</h3>"));
    }

    @Test
    void theTablesSayTheAggregates() throws Exception {
        List<CellResult> results = MadeUpStudy.of(3, "one-author");
        Document html = parse(StudyPage.write(folder, "study", results));
        double[] losses = results.stream().filter(result -> result.variant().equals("npo · all"))
                .mapToDouble(result -> result.metrics().get("retain.loss")).toArray();
        double mean = Arrays.stream(losses).average().orElseThrow();
        double middle = Arrays.stream(losses).map(Math::log).average().orElseThrow();
        double deviation = Math.sqrt(Arrays.stream(losses).map(l -> (Math.log(l) - middle) * (Math.log(l) - middle)).sum() / 2);
        double low = Math.exp(middle - 4.302652729911275 * deviation / Math.sqrt(3));
        double high = Math.exp(middle + 4.302652729911275 * deviation / Math.sqrt(3));
        List<List<String>> rows = rows(html);
        String expected = String.format("%.3f [%.3f, %.3f]", mean, low, high).replace('-', '−');
        assertTrue(rows.stream().anyMatch(row -> row.get(0).equals("npo · all") && row.contains(expected)), expected);
        List<String> csv = Files.readAllLines(folder.resolve("tables/variants.csv"));
        int column = Arrays.asList(csv.getFirst().split(",")).indexOf("retain.loss");
        String line = csv.stream().filter(row -> row.startsWith("one-author,npo · all,")).findFirst().orElseThrow();
        assertEquals(mean, Double.parseDouble(line.split(",")[column]), 1e-12);
        assertEquals(low, Double.parseDouble(line.split(",")[column + 1]), 1e-6);
        assertEquals("3", line.split(",")[column + 3]);
    }

    @Test
    void referencesComeFirstAndNamesAreDistinct() {
        Study study = Study.of(MadeUpStudy.of(2, "one-author"));
        assertEquals(List.of("retrain · tied", "retrain · untied", "original · tied", "original · untied"),
                study.variants().stream().limit(4).map(Variant::name).toList());
        List<String> names = study.variants().stream().map(Variant::name).toList();
        assertEquals(names.stream().distinct().toList(), names);
        assertEquals(2, study.variants().getFirst().results().size());
    }

    @Test
    void oneSeedHasNoIntervalsAndDecidesNothing() throws Exception {
        Document html = parse(StudyPage.write(folder, "study", MadeUpStudy.of(1, "one-author")));
        assertTrue(html.getDocumentElement().getTextContent().contains("one seed was run"));
        List<List<String>> claims = rows(html).stream().filter(row -> row.size() == 3).toList();
        assertTrue(claims.size() >= 7, claims.toString());
        claims.stream().filter(row -> !row.get(0).contains("space")).forEach(row -> assertEquals("not decided",
                row.get(2), row.get(0)));
    }

    @Test
    void claimsAreJudgedWhereTheIntervalsAllow() throws Exception {
        StudyPage.write(folder, "study", MadeUpStudy.of(3, "one-author"));
        Map<String, String> verdicts = rows(parse(folder.resolve("study.html"))).stream().filter(row -> row.size() == 3)
                .collect(Collectors.toMap(row -> row.get(0), row -> row.get(2)));
        assertEquals("holds: better in retain harm",
                verdicts.get("First-epoch gradients erase better than those of all epochs"));
        assertEquals("holds: it takes less than half", verdicts.get("The embedding alone halves the space"));
        assertEquals("holds", verdicts.get("The last blocks (layers 11 and 12) do nothing, tied head"));
        assertEquals("does not hold: they do move the forget loss",
                verdicts.get("The last blocks (layers 11 and 12) do nothing, untied head"));
        assertEquals("holds: better in relearn share",
                verdicts.get("Iterative unlearning is more complete than fuzzy matching"));
    }

    @Test
    void aClaimWithoutPairsAlikeSaysHowItsPairsDiffer() throws Exception {
        List<CellResult> results = MadeUpStudy.of(2, "one-author").stream().map(result -> {
            Cell c = result.cell();
            return !c.matching().equals("iterative") ? result : new CellResult(result.id(), new Cell(c.seed(), c.head(),
                    c.forget(), "fresh", c.sites(), "", c.matching(), c.calibration(), "none", c.repair(), c.options()),
                    result.variant(), result.metrics(), result.curve(), result.distributions(), result.reached(),
                    result.note());
        }).toList();
        List<List<String>> rows = rows(parse(StudyPage.write(folder, "study", results)));
        assertTrue(rows.stream().anyMatch(row -> row.getFirst().startsWith("Iterative unlearning") && row.get(1)
                .endsWith("(2 pairs, 2 seeds; they differ in contrast, epochs, strategy too)")), rows.toString());
    }

    @Test
    void severalForgetSetsHaveFiguresOfTheirOwn() throws Exception {
        StudyPage.write(folder, "study", MadeUpStudy.of(2, "One author!", "two authors", "Two Authors"));
        assertTrue(files("figures", ".svg").containsAll(List.of("strategy-sites-one-author",
                "strategy-sites-two-authors2", "strategy-sites-two-authors3")), files("figures", ".svg").toString());
    }

    @Test
    void whatIsMissingIsSaidAndNoFigureIsEmpty() throws Exception {
        Cell cell = new Cell(3, "tied", "<b>&\"it's\"\u0001", "grad-diff", "all", "", "ids", "calibrated", "none", 0,
                "a=1");
        CellResult only = new CellResult("a", cell, "<script>alert(1)</script>",
                Map.of("forget.loss", 2.0, "odd", Double.NaN), List.of(),
                Map.of("influence.before", new double[] {Double.NaN}, "influence.after", new double[0]), false,
                "stopped & <noted>");
        Document html = parse(StudyPage.write(folder, "a < b", List.of(only)));
        String text = html.getDocumentElement().getTextContent();
        assertTrue(text.contains("<script>alert(1)</script>") && text.contains("stopped & <noted>"), "shown as text");
        assertEquals(1, html.getElementsByTagName("script").getLength(), "the page's own");
        assertEquals(List.of("perplexity-rouge"), files("figures", ".svg"));
        assertTrue(text.contains("Figures left out"));
        assertTrue(text.contains("Space and time by variant: no variant's cost was measured."));
        assertFalse(Files.readString(folder.resolve("study.html")).contains("NaN"));
    }

    @Test
    void readsTheResultsOfAFolder() throws Exception {
        List<CellResult> results = MadeUpStudy.of(2, "one-author");
        Files.writeString(folder.resolve("results.jsonl"), results.stream().map(result -> RunJson.line(result) + "\n")
                .collect(Collectors.joining()));
        byte[] read = Files.readAllBytes(StudyPage.of(folder));
        Path beside = Files.createDirectory(folder.resolve("beside"));
        byte[] written = Files.readAllBytes(StudyPage.write(beside, folder.getFileName().toString(), results));
        assertArrayEquals(written, read);
        Path empty = Files.createDirectory(folder.resolve("empty"));
        assertTrue(assertThrows(BadInputException.class, () -> StudyPage.of(empty)).getMessage()
                .contains("results.jsonl"));
        assertThrows(BadInputException.class, () -> StudyPage.write(empty, "none", List.of()));
    }

    @Test
    void intervalsAreStudents() {
        assertEquals(2.228139, Interval.t(10), 1e-5);
        assertEquals(2.042272, Interval.t(30), 1e-6);
        assertEquals(2.262157, Interval.t(9), 1e-6);
        Interval two = Interval.of(Quantity.ANY, 1, Double.NaN, 3);
        assertEquals(2, two.n());
        assertEquals(2 - 12.706205, two.low(), 1e-5);
        assertEquals("2.0", Interval.of(Quantity.ANY, 2).text("%.1f"));
        assertEquals("–", Interval.of(Quantity.ANY).text("%.1f"));
    }

    private List<String> files(String below, String ending) throws Exception {
        try (Stream<Path> files = Files.list(folder.resolve(below))) {
            return files.map(file -> file.getFileName().toString()).filter(name -> name.endsWith(ending))
                    .map(name -> name.substring(0, name.length() - ending.length())).sorted().toList();
        }
    }

    private static List<List<String>> rows(Document html) {
        NodeList rows = html.getElementsByTagName("tr");
        return IntStream.range(0, rows.getLength()).mapToObj(r -> {
            NodeList cells = rows.item(r).getChildNodes();
            return ((Element) rows.item(r)).getElementsByTagName("td").getLength() == 0 ? List.<String>of()
                    : IntStream.range(0, cells.getLength()).mapToObj(cells::item).filter(Element.class::isInstance)
                    .map(cell -> cell.getTextContent().replace("\n[", " [")).toList();
        }).filter(row -> !row.isEmpty()).toList();
    }

    private static Document parse(Path file) throws Exception {
        DocumentBuilder builder = DocumentBuilderFactory.newInstance().newDocumentBuilder();
        return builder.parse(file.toFile());
    }
}
