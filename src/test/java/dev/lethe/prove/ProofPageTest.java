package dev.lethe.prove;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.results.Finding;
import dev.lethe.results.Finding.Outcome;
import dev.lethe.results.Proof;
import dev.lethe.results.Row;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;

/** A proof's page from made-up numbers: well-formed, escaped, the same bytes, the verdict first. */
class ProofPageTest {
    static Proof example(String note) {
        List<Proof.Model> models = List.of(new Proof.Model("erased", "aa"), new Proof.Model("original", "bb"),
                new Proof.Model("retrained 1", "cc"));
        List<Row> membership = new ArrayList<>();
        List<Row> relearning = new ArrayList<>();
        List<Row> draws = new ArrayList<>();
        for (int m = 0; m < models.size(); m++) {
            String model = models.get(m).name();
            for (String measure : List.of("loss", "min_k", "min_k++", "zlib")) {
                membership.add(Rows.ofLosses(measure, model, new double[] {m == 1 ? 0.2 : 6.1, m == 1 ? 0.3 : 6.6, 5.9},
                        new double[] {6.2, 6.4, 5.8, 6.6}));
            }
            for (int steps : new int[] {0, 5, 10, 20, 50}) {
                relearning.add(Rows.ofLosses("same subject, " + steps + " steps", model, new double[] {m == 1 ? 0.2 : 6.3 - steps / 40.0},
                        new double[] {6.2, 6.4 - steps / 60.0}));
            }
            for (int k : new int[] {1, 8, 128}) {
                draws.add(Rows.ofShares("leak@" + k, model, new double[] {m == 1 ? 1 : 0.2 + k / 700.0}, new double[] {0.2, 0.3})
                        .with(new Row.Extracted(m == 1 ? 10 : 0, 10, 0, 30)));
            }
        }
        List<Finding> findings = List.of(
                new Finding("membership", "Can somebody who has a record's text tell that the model once learned it?", "Papers of 2018",
                        Outcome.UNDECIDED, "No verdict: 70 more controls are needed.", membership, 12),
                new Finding("regurgitation", "Given its beginning, does the model go on with it?", "Papers of 2021", Outcome.NOT_FOUND,
                        "The nearest is leak@1.", draws, 40),
                new Finding("relearning", "After a few steps on others?", "Papers of 2024", Outcome.FOUND,
                        "Same subject, 50 steps: of an erased record and one never seen, the erased one looks better known in 81 of"
                                + " 100 pairs (99 % interval 54 to 93; chance 50).", relearning, 67));
        return new Proof(Proof.FORMAT, "0.1.0", "aa-0123", models, 10, 30, Judge.outcome(findings), Judge.verdict(findings), findings,
                List.of(note), 119);
    }

    private static Document parse(String page) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder()
                .parse(new ByteArrayInputStream(page.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void thePageIsWholeAndTheVerdictFirst() throws Exception {
        String page = ProofPage.page(example("No paraphrases were given."));
        assertEquals(page, ProofPage.page(example("No paraphrases were given.")));
        Document html = parse(page);
        assertEquals(4, html.getElementsByTagName("table").getLength());
        assertEquals(2, html.getElementsByTagName("svg").getLength(), "draws and relearning");
        String text = html.getElementsByTagName("main").item(0).getTextContent();
        assertTrue(text.strip().replaceAll("\\s+", " ").startsWith("Is it gone? The model still gives the erased records away: relearning;"
                + " nothing was found by regurgitation; no verdict on membership."), text);
        assertTrue(text.contains("Lethe 0.1.0 in 119 s") && text.contains("out: 0 of 10"), text);
        assertFalse(page.replace("http://www.w3.org/2000/svg", "").matches("(?s).*(http|src=|url\\(|@import|NaN|null).*"));
    }

    @Test
    void hostileTextIsShown() throws Exception {
        String hostile = "</p><script>alert('x')</script>\" onclick=\"";
        Document html = parse(ProofPage.page(example(hostile)));
        assertEquals(1, html.getElementsByTagName("script").getLength(), "the page's own");
        assertTrue(html.getDocumentElement().getTextContent().contains(hostile));
    }
}
