package dev.lethe.chart;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.report.Charts;
import dev.lethe.report.ErasureSummary;
import dev.lethe.report.ErasureSummary.Left;
import dev.lethe.report.ErasureSummary.Measured;
import dev.lethe.report.ReportData;
import dev.lethe.report.ReportData.ErasurePoint;
import dev.lethe.report.ReportData.Fact;
import dev.lethe.report.ReportData.Group;
import dev.lethe.report.ReportData.Influence;
import dev.lethe.report.ReportData.Line;
import dev.lethe.report.ReportData.Sample;
import dev.lethe.report.ReportData.Scores;
import dev.lethe.report.ReportData.TrainingPoint;
import dev.lethe.report.ReportWriter;
import dev.lethe.results.RecordMetric;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A report from made-up data: every part is there, nothing is fetched, and an empty report is a page too. */
class ReportWriterTest {
    @TempDir
    Path folder;

    @Test
    void writesPagePicturesAndJson() throws Exception {
        Path page = ReportWriter.write(example(), folder);
        String html = Files.readString(page);
        assertTrue(html.contains("1 &lt; 2 &amp; so on"), "text is escaped");
        assertFalse(html.contains("NaN"), "no number is NaN");
        assertFalse(html.replace("http://www.w3.org/2000/svg", "").matches("(?s).*(http|src=|url\\(|@import).*"), "nothing is fetched");
        assertTrue(html.contains("<html lang=\"en\">") && html.contains("scope=\"col\"") && html.contains("@media print"));
        assertTrue(html.indexOf("It went") < html.indexOf("What is not proven") && html.indexOf("What is not proven")
                < html.indexOf("For the engineer"), "the officer's comes first");
        DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(page.toFile()); // well-formed
        for (String name : List.of("training-loss", "erasure-perplexity", "influence-dot", "influence-cosine", "influence-act-grad")) {
            assertEquals(2 * Chart.WIDTH, ImageIO.read(folder.resolve(name + ".png").toFile()).getWidth());
        }
        JsonNode json = new JsonMapper().readTree(Files.readString(folder.resolve("report.json")));
        assertEquals(60, json.get("training").size());
        assertTrue(json.get("erasure").get(1).get("held_out").isNull());
    }

    @Test
    void hostileTextIsShownAndDoesNothing() throws Exception {
        String hostile = "</script><script>alert('x')</script>\" onload=\"x\" ${1+1} @if(true) \u0001\ufffe]]>&amp;";
        Fact fact = new Fact(hostile, hostile);
        List<Scores> one = List.of(new Scores(1, 1, Map.of(RecordMetric.EXACT_MEMORISATION, 1.0), 1));
        ReportData data = new ReportData(hostile, new ErasureSummary(hostile, ErasureSummary.Standing.DOUBTFUL, List.of(fact),
                List.of(new Measured(hostile, hostile, hostile, hostile)), List.of(new Left(hostile, 1, hostile)), List.of(hostile)),
                List.of(fact), List.of(hostile), List.of(new Group(hostile, 1, one)),
                List.of(new Line(hostile, hostile, List.of(1.0), List.of(1.0), List.of())), List.of(), List.of(), Double.NaN, List.of(),
                List.of(new Sample(hostile, hostile, hostile, hostile, List.of(hostile))), List.of(hostile));
        Document page = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(ReportWriter.write(data, folder).toFile());
        assertEquals(1, page.getElementsByTagName("script").getLength(), "the page's own");
        String shown = hostile.replaceAll("[\u0001\ufffe]", "\ufffd");
        assertEquals(shown, page.getElementsByTagName("h1").item(0).getTextContent());
        assertEquals(31, page.getDocumentElement().getTextContent().split(Pattern.quote(shown), -1).length - 1,
                "everywhere that it stands");
    }

    @Test
    void everyChartIsWellFormedXml() throws Exception {
        for (Chart chart : Charts.of(example())) {
            DocumentBuilderFactory.newInstance().newDocumentBuilder()
                    .parse(new ByteArrayInputStream(chart.svg().getBytes(StandardCharsets.UTF_8)));
        }
    }

    @Test
    void theSameDataGivesTheSameBytes() throws Exception {
        byte[] first = Files.readAllBytes(ReportWriter.write(example(), folder.resolve("a")));
        assertArrayEquals(first,
                Files.readAllBytes(ReportWriter.write(example(), folder.resolve("b"))));
    }

    @Test
    void aReportOfNothingIsAPage() throws Exception {
        ReportData empty = new ReportData("empty", null, List.of(), List.of(), List.of(), List.of(), List.of(), List.of(), Double.NaN,
                List.of(), List.of(), List.of());
        assertTrue(Files.readString(ReportWriter.write(empty, folder)).contains("<h1>empty</h1>"));
    }

    @Test
    void ticksAreRoundAndInRange() {
        for (Scale scale : List.of(Scale.linear(0, 7.3), Scale.linear(-3, 1e-4), Scale.linear(5, 5), Scale.log(1.8, 900),
                Scale.log(400, 520), Scale.signedLog(-3, 800, 0.01))) {
            List<Scale.Tick> ticks = scale.ticks();
            assertTrue(ticks.size() >= 2 && ticks.size() <= 12, scale + ": " + ticks);
            ticks.forEach(tick -> assertTrue(scale.at(tick.value()) > -1e-3 && scale.at(tick.value()) < 1.001,
                    scale + ": " + tick));
        }
        assertEquals(List.of("0", "2", "4", "6"), Scale.linear(0, 7.3).ticks().stream().map(Scale.Tick::label).toList());
    }

    static ReportData example() {
        SplittableRandom random = new SplittableRandom(5);
        List<TrainingPoint> training = new ArrayList<>();
        for (int i = 1; i <= 60; i++) {
            training.add(new TrainingPoint(i, 10 * Math.exp(-i / 15.0) + 0.3 * random.nextDouble(),
                    i % 4 == 0 ? 10 - i / 30.0 : Double.NaN));
        }
        List<ErasurePoint> erasure = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            boolean kept = i % 6 != 5;
            erasure.add(new ErasurePoint(i, kept ? "ASCEND" : "ROLL_BACK_OVERSHOOT", kept, 0.7 + 0.25 * i, 0.7 + 0.3
                    * Math.exp(-i / 9.0) * random.nextDouble(), i % 3 == 0 ? 7.3 + 0.1 * random.nextDouble() : Double.NaN));
        }
        List<Influence> influence = new ArrayList<>();
        for (String site : List.of("wte", "lm_head")) {
            influence.add(new Influence("dot", site, "forget", values(random, 20, 60), values(random, 20, 2)));
            influence.add(new Influence("dot", site, "retain", values(random, 40, 6), values(random, 40, 5)));
            influence.add(new Influence("cosine", site, "forget", values(random, 20, 0.4), values(random, 20, 0.1)));
            influence.add(new Influence("cosine", site, "retain", values(random, 40, 0.2), values(random, 40, 0.2)));
            influence.add(new Influence("act-grad", site, "forget", values(random, 20, 0.4), values(random, 20, 0.02)));
        }
        List<Scores> scores = List.of(scores(0.65, 1.92, 0.97, 0.9, 0.98), scores(6.4, 601.8, 0.2, 0.02, 0.22),
                scores(6.5, 665.1, 0.19, 0.01, Double.NaN));
        return new ReportData("Erasure of 10 records", new ErasureSummary("It went well.", ErasureSummary.Standing.MEASURED,
                List.of(new Fact("request", "7")), List.of(new Measured("loss", "1", "2", "3")), List.of(), List.of("That it is so.")), List.of(new Fact("records", "1 < 2 & so on"), new Fact("strategy",
                "first-epoch on embedding")), List.of("before", "after", "retrained"),
                List.of(new Group("forget", 10, scores), new Group("retain", 110, scores)),
                List.of(new Line("forget 1", "forget", List.of(0.6, 6.4, Double.NaN), List.of(1.0, 0.2, 0.2), List.of())), training, erasure, 6.5, influence,
                List.of(new Sample("dave-job", "forget", "What is the job of Dave?", "Dave cuts ice.",
                        List.of("Dave cuts ice.", "Dave is a man of", "Dave is by trade"))), List.of("A note."));
    }

    private static double[] values(SplittableRandom random, int count, double size) {
        return random.doubles(count).map(v -> (v * v - 0.1) * size).toArray();
    }

    private static Scores scores(double loss, double perplexity, double exact, double strength, double rouge) {
        return new Scores(loss, perplexity, Map.of(RecordMetric.EXACT_MEMORISATION, exact, RecordMetric.EXTRACTION_STRENGTH, strength), rouge);
    }
}
