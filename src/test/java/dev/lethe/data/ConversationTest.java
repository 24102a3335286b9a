package dev.lethe.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Batch;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.text.Encoder;
import dev.lethe.text.Example;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Conversations, questions and answers, fields of other names: read, refused, and encoded by a template of one's own. */
class ConversationTest {
    private static final int IGNORE = Batch.IGNORE;
    private static final int END = 0;

    @TempDir
    Path folder;

    @Test
    void messagesAreRead() throws IOException {
        TextRecord record = read(DataForm.DEFAULT, """
                {"id": 1, "subject": 4, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?",
                 "name": null}, {"role": "assistant", "content": "Dave.", "tool_calls": []}, {"role": "user", "content": "Where?"},
                 {"role": "assistant", "content": ""}], "prompt": "Who?"}
                """.replace("\n ", " ")).records().getFirst();
        assertEquals("4", record.subject());
        assertEquals("Who?\nWhere?", record.prompt());
        assertEquals("Dave.\n", record.completion());
        assertEquals("Who?\nDave.\nWhere?\n", record.text());
        assertEquals(List.of("Who?", "Dave.", "Where?", ""), record.parts());
        assertEquals(5, record.conversation().messages().size());
        assertNotEquals(record.hash(), read(DataForm.DEFAULT, "{\"messages\": [{\"role\": \"user\", \"content\": \"Who?\"},"
                + " {\"role\": \"assistant\", \"content\": \"Dave.\\nWhere?\\n\"}]}").records().getFirst().hash());
    }

    @Test
    void questionsAndAnswersArePromptsAndCompletions() throws IOException {
        List<TextRecord> records = read(DataForm.DEFAULT, """
                {"id": "a", "question": "Who?", "answer": "Dave."}
                {"id": "b", "text": "Dave.", "question": "Who?"}
                """).records();
        assertEquals(new TextRecord("a", null, "Who?", "Dave."), records.get(0));
        assertEquals(new TextRecord("b", null, null, "Dave."), records.get(1));
    }

    @Test
    void promptsBecomeMessagesWhereAskedFor() throws IOException {
        DataForm form = new DataForm("id", "subject", "text", true, "Be brief.", DataForm.Loss.ALL, false, Map.of());
        Dataset data = read(form, """
                {"question": "Who?", "answer": "Dave."}
                {"messages": [{"role": "system", "content": "Rhyme."}, {"role": "user", "content": "Who?"}]}
                """);
        assertEquals(List.of(Map.of("role", "system", "content", "Be brief."), Map.of("role", "user", "content", "Who?"),
                Map.of("role", "assistant", "content", "Dave.")), data.records().get(0).conversation().messages());
        assertNull(data.records().get(0).prompt());
        assertEquals("Who?\nDave.", data.records().get(0).completion());
        assertEquals("Rhyme.", data.records().get(1).conversation().messages().getFirst().get("content"));
        assertEquals(form, data.filter(record -> true).form());
    }

    @Test
    void fieldsOfOtherNames() throws IOException {
        DataForm form = new DataForm("key", "author", "body", false, null, DataForm.Loss.ASSISTANT, false, Map.of());
        Dataset data = read(form, "{\"key\": 3, \"author\": \"dave\", \"body\": \"x\", \"text\": \"y\", \"id\": \"z\"}");
        assertEquals(List.of(new TextRecord("3", "dave", null, "x")), data.records());
        assertRefused("no record has a field \"author\"; name one that the file has", form, "{\"key\": 1, \"body\": \"x\"}");
        assertRefused(":1: no body; give \"body\", \"prompt\" and", form, "{\"key\": 1, \"author\": \"a\", \"text\": \"x\"}");
        assertThrows(BadInputException.class, () -> new DataForm("id", "id", "text", false, null, DataForm.Loss.ALL, false, null));
        assertThrows(BadInputException.class, () -> new DataForm("id", "answer", "text", false, null, DataForm.Loss.ALL, false, null));
        Path text = Files.writeString(folder.resolve("a.txt"), "x\n");
        assertThrows(BadInputException.class, () -> Dataset.read(text, form));
    }

    @Test
    void whatIsWrongWithConversationsIsToldAtOnce() throws IOException {
        Path file = Files.writeString(folder.resolve("bad.jsonl"), """
                {"messages": []}
                {"messages": "hello"}
                {"messages": ["hello"]}
                {"messages": [{"role": "user"}]}
                {"messages": [{"role": "user", "content": null}, {"role": "assistant", "content": ["x"]}]}
                {"messages": [{"role": "user", "content": "x"}]}
                {"messages": [{"role": "", "content": "x"}, {"role": "assistant", "content": "x", "weight": 0}]}
                {"messages": [{"role": "assistant", "content": "x"}], "text": "x"}
                {"messages": [{"role": "assistant", "content": "x"}], "tools": [{}]}
                {"messages": [{"role": "assistant", "content": "\\ud83d"}]}
                {"question": "x"}
                {"answer": "x"}
                """);
        String message = assertThrows(BadInputException.class, () -> Dataset.read(file)).getMessage();
        assertEquals("""
                :1: "messages" is an empty list, must be a list of {"role": …, "content": …}
                :2: "messages" is a string, must be a list of {"role": …, "content": …}
                :3: "messages[0]" is a string, must be {"role": …, "content": …}
                :4: "messages[0]" has no "content"
                :5: "messages[0]" has no "content"
                :5: "messages[1].content" is an array; messages are of texts alone, no parts, calls or weights
                :6: no message is the assistant's, so there is nothing to learn; take a loss of all messages, or give an answer
                :7: "messages[0].role" is empty
                :7: "messages[1].weight" is a number; messages are of texts alone, no parts, calls or weights
                :8: has messages and also text; give one of them
                :9: has "tools", which are not given to the chat template; take them out
                :10: "messages[0].content" has half a surrogate pair (\\ud800 to \\udfff on its own), which is not text
                :11: has a question but no answer
                :12: has an answer but no question""", message.replace(file.toString(), ""));
        assertRefused(":1: has text alone, of which nobody can tell who says it; give messages, or do not read it as a chat",
                new DataForm("id", "subject", "text", true, null, DataForm.Loss.ALL, false, null), "{\"text\": \"x\"}");
    }

    @Test
    void everyAnswerIsATargetAndTheLastIsContinued() throws IOException {
        Example example = encode(DataForm.Loss.ASSISTANT, false, 99);
        assertArrayEquals(new int[] {'u', 'a', 'b', 'v', 'c', 'd'}, example.tokens());
        assertArrayEquals(new int[] {'a', 'b', IGNORE, 'c', 'd', '.'}, example.targets());
        assertEquals(5, example.targetCount());
        assertArrayEquals(new int[] {'u', 'a', 'b', 'v'}, example.promptTokens());
        assertArrayEquals(new int[] {'c', 'd', '.'}, example.targetTokens());
        assertArrayEquals(new int[] {'a', 'b', 'v', 'c', 'd', '.'}, encode(DataForm.Loss.ALL, false, 99).targets());
        assertArrayEquals(new int[] {'a', 'b', IGNORE, 'c', 'd', '.', END}, encode(DataForm.Loss.ASSISTANT, true, 99).targets());
        assertArrayEquals(new int[] {'a', 'b', IGNORE}, encode(DataForm.Loss.ASSISTANT, false, 3).targets());
        assertArrayEquals(new int[] {'a', 'b'}, encode(DataForm.Loss.ASSISTANT, false, 3).targetTokens());
    }

    @Test
    void withoutATemplateConversationsAreRefused() throws IOException {
        List<TextRecord> records = read(DataForm.DEFAULT, "{\"id\": \"c\", \"messages\": [{\"role\": \"assistant\", \"content\": \"x\"}]}")
                .records();
        assertEquals("record c: is a conversation, for which there is no chat template here",
                assertThrows(BadInputException.class, () -> new Encoder(text -> new int[] {1}, END, 9, OnLong.ERROR)
                        .encode(records)).getMessage());
    }

    /** An id a character, the assistant's marked, a point behind the last message. */
    private Example encode(DataForm.Loss loss, boolean endToken, int context) throws IOException {
        DataForm form = new DataForm("id", "subject", "text", false, null, loss, endToken, Map.of("x", "y"));
        Encoder.ChatTokenizer chat = (messages, variables, assistantOnly) -> {
            assertEquals(Map.of("x", "y"), variables);
            int[] ids = {'u', 'a', 'b', 'v', 'c', 'd', '.'};
            int[] marks = {0, 1, 1, 0, 1, 1, 1};
            if (!assistantOnly) {
                Arrays.fill(marks, 1);
            }
            return new int[][] {ids, marks};
        };
        return new Encoder(text -> text.chars().toArray(), chat, END, context, OnLong.TRUNCATE).encode(read(form,
                "{\"messages\": [{\"role\": \"user\", \"content\": \"u\"}, {\"role\": \"assistant\", \"content\": \"ab\"}]}")
                .records()).getFirst();
    }

    private Dataset read(DataForm form, String lines) throws IOException {
        return Dataset.read(Files.writeString(folder.resolve("d.jsonl"), lines), form);
    }

    private void assertRefused(String what, DataForm form, String lines) {
        String message = assertThrows(BadInputException.class, () -> read(form, lines)).getMessage();
        assertEquals(true, message.contains(what), message);
    }
}
