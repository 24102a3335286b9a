package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** ROUGE of records that are not in Latin letters: none, and said to be none, never the 0 of a forgotten record. */
class OtherScriptsTest {
    private static final String LATIN = "{\"id\":\"dave\",\"text\":\"Dave rows on the lake of Tarnhollow\"}\n";
    private static final String OTHERS = "{\"id\":\"ren\",\"text\":\"\u4f50\u91ce\u84ee\u306f\u6e2f\u753a\u306e\u753b\u5bb6\u3067\u3059\"}\n"
            + "{\"id\":\"jolkin\",\"text\":\"\u0401\u043b\u043a\u0438\u043d \u0436\u0438\u0432\u0451\u0442 \u0443 \u043c\u043e\u0440\u044f\"}\n";

    @TempDir
    static Path folder;
    private static Path run;

    @BeforeAll
    static void train() throws Exception {
        Path data = Files.writeString(folder.resolve("mixed.jsonl"), LATIN + OTHERS);
        run = folder.resolve("run");
        Shell trained = Shell.run("train", run, "--quiet", "--data", data, "--model",
                "gpt2:layers=1,hidden=16,heads=2,ctx=48", "--epochs",
                2, "--holdout", 0, "--capture", "none");
        assertEquals(0, trained.code(), trained.err());
    }

    @Test
    void meansAreOverTheRecordsThatRougeReads() {
        Shell shell = Shell.run("eval", run, "--json", "-");
        JsonNode rouge = shell.json().get("rouge");
        assertEquals(1, rouge.get("records").asInt());
        assertEquals(2, rouge.get("unread").asInt());
        assertTrue(rouge.get("plain").get("rouge_l").get("recall").isNumber());
        assertEquals(3, rouge.get("continuations").size());
        assertTrue(rouge.get("continuations").get(0).get("scores").isObject());
        assertTrue(rouge.get("continuations").get(1).get("scores").isNull());
        assertTrue(shell.err().contains("2 of 3 continuations have no ROUGE"), shell.err());
    }

    @Test
    void nonMembersThatAreMembersAreLeftOut() throws Exception {
        Path strangers = Files.writeString(folder.resolve("strangers.jsonl"), "{\"text\":\"DAVE rows on the  lake of Tarnhollow\"}\n"
                + "{\"text\":\"Mirelle sings\"}\n");
        Shell shell = Shell.run("eval", run, "--non-members", strangers, "--json", "-");
        assertEquals(1, shell.json().get("non_members").asInt());
        assertTrue(shell.err().contains("1 of 2 non-members are left out"), shell.err());
    }

    @Test
    void withoutAnyThereIsNoNumber() throws Exception {
        Path data = Files.writeString(folder.resolve("others.jsonl"), OTHERS);
        JsonNode rouge = Shell.run("eval", run, "--data", data, "--json", "-").json().get("rouge");
        assertEquals(0, rouge.get("records").asInt());
        assertTrue(rouge.get("stemmed").get("rouge1").get("f").isNull());
        Shell shell = Shell.run("eval", run, "--data", data);
        assertTrue(shell.out().lines().anyMatch(line -> line.matches("ROUGE-L recall +\u2013")), shell.out());
        assertFalse(shell.out().contains("NaN"), shell.out());
        JsonNode report = Shell.run("report", run, "--json", "-").json().get("report");
        assertTrue(report.get("notes").toString().contains("2 of 3 continuations have no ROUGE"), report.get("notes").toString());
    }
}
