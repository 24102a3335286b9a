package dev.lethe.data;

import dev.lethe.base.BadInputException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * How the lines of a data file are read: what their fields are called, and what becomes of conversations. A run keeps it, so
 * that its file is read again as it was.
 *
 * @param idField      of the record's id
 * @param subjectField of whom or what it is about
 * @param textField    of a text without a prompt
 * @param chat         whether a prompt and its completion are a user's message and the assistant's
 * @param system       a message of the system before every conversation that has none, or null
 * @param loss         which messages of conversations are learned
 * @param endToken     whether a conversation ends with the end-of-text token where its template puts another behind it or none
 * @param variables    what the chat template is given beside the messages, by name
 */
public record DataForm(String idField, String subjectField, String textField, boolean chat, @Nullable String system, Loss loss,
                       boolean endToken, Map<String, String> variables) {
    /** Which tokens of a conversation carry loss. */
    public enum Loss {
        /** What the assistant says. */
        ASSISTANT,
        /** All that is said. */
        ALL
    }

    private static final List<String> TAKEN = List.of("prompt", "completion", "question", "answer", "messages", "tools");

    /** Fields called id, subject and text; only {@code messages} are conversations; the assistant's messages are learned. */
    public static final DataForm DEFAULT = new DataForm("id", "subject", "text", false, null, Loss.ASSISTANT, false, Map.of());

    /** Refuses names of fields that mean something else, and settings that do not fit together. */
    public DataForm {
        variables = Collections.unmodifiableMap(new TreeMap<>(variables == null ? Map.of() : variables));
        List<String> names = List.of(idField, subjectField, textField);
        if (names.stream().distinct().count() < 3 || names.stream().anyMatch(name -> name.isBlank() || TAKEN.contains(name))) {
            throw new BadInputException("fields called " + String.join(", ", names) + ": id, subject and text must be three, and"
                    + " none of " + String.join(", ", TAKEN));
        }
        if (variables.containsKey("messages") || variables.containsKey("add_generation_prompt")) {
            throw new BadInputException("a chat template is given its messages and add_generation_prompt by Lethe; set others");
        }
    }

    /**
     * {@return whether the same is learned of the same conversations}
     *
     * @param other what it is compared with
     */
    public boolean learnsAs(DataForm other) {
        return learning().equals(other.learning());
    }

    /** {@return what is learned of conversations, for messages} */
    public String learning() {
        return (loss == Loss.ALL ? "all" : "the assistant's part") + (endToken ? " with the end token" : "")
                + (variables.isEmpty() ? "" : " with " + variables);
    }

    /**
     * {@return the record of a prompt and what follows it: a conversation where prompts are a user's messages}
     *
     * @param id unique in its data
     * @param subject whom or what it is about, or null
     * @param prompt what is read and carries no loss, or null
     * @param completion what is learned
     */
    public TextRecord record(String id, @Nullable String subject, @Nullable String prompt, String completion) {
        if (!chat || prompt == null) {
            return new TextRecord(id, subject, prompt, completion);
        }
        return record(id, subject, List.of(Map.of("role", "user", "content", prompt),
                Map.of("role", "assistant", "content", completion)));
    }

    /**
     * {@return the record of messages, the system's first}
     *
     * @param id unique in its data
     * @param subject whom or what it is about, or null
     * @param messages role and content of each
     */
    public TextRecord record(String id, @Nullable String subject, List<Map<String, String>> messages) {
        List<Map<String, String>> all = new ArrayList<>(messages);
        if (system != null && !"system".equals(messages.getFirst().get("role"))) {
            all.addFirst(Map.of("role", "system", "content", system));
        }
        return new Conversation(all, this).record(id, subject);
    }
}
