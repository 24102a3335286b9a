package dev.lethe.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Messages as a chat template gets them.
 *
 * @param messages at least one, each with a role and a content
 * @param form     how they are read: which of them are learned, and what the template is given beside them
 */
public record Conversation(List<Map<String, String>> messages, DataForm form) {
    private static final String ROLE = "role";
    private static final String CONTENT = "content";
    private static final String SYSTEM = "system";
    private static final String ASSISTANT = "assistant";

    /**
     * Refuses none: what a data file may not say its reader refuses.
     *
     * @param messages role and content of each, copied
     * @param form     how it is read
     */
    public Conversation {
        messages = messages.stream().map(Map::copyOf).toList();
    }

    /**
     * {@return the record of it: what is read is its prompt, what is learned its completion}
     *
     * @param id unique in its data
     * @param subject whom it is about, or null
     */
    public TextRecord record(String id, @Nullable String subject) {
        return new TextRecord(id, subject, read(), learned(), this);
    }

    /**
     * {@return what is said, message by message, a line end between them; not the system's, which says the same in many}
     */
    public String text() {
        return String.join("\n", parts());
    }

    /** The messages' contents but the system's. */
    List<String> parts() {
        return contents(_ -> true);
    }

    /** What carries loss of it. */
    private String learned() {
        return String.join("\n", contents(this::isLearned));
    }

    /** What carries none, null when there is nothing. */
    private String read() {
        List<String> read = contents(message -> !isLearned(message));
        return read.isEmpty() ? null : String.join("\n", read);
    }

    /** Whether something of it is learned. */
    boolean teaches() {
        return messages.stream().anyMatch(this::isLearned);
    }

    /** The same with another answer in its last message. */
    Conversation answered(String answer) {
        List<Map<String, String>> changed = new ArrayList<>(messages);
        changed.set(changed.size() - 1, Map.of(ROLE, ASSISTANT, CONTENT, answer));
        return new Conversation(changed, form);
    }

    /** Whether the assistant has the last word. */
    boolean endsWithAnswer() {
        return ASSISTANT.equals(messages.getLast().get(ROLE));
    }

    /** All of it on a line of its own each, lengths before texts, so that no two conversations give one. */
    String unambiguous() {
        StringBuilder out = new StringBuilder();
        for (Map<String, String> message : messages) {
            out.append("message\n");
            new TreeMap<>(message).forEach((key, text) -> out.append(key).append(' ').append(text.length()).append('\n')
                    .append(text).append('\n'));
        }
        return out.toString();
    }

    private boolean isLearned(Map<String, String> message) {
        return form.loss() == DataForm.Loss.ALL || ASSISTANT.equals(message.get(ROLE));
    }

    private List<String> contents(Predicate<Map<String, String>> which) {
        return messages.stream().filter(which).filter(message -> !SYSTEM.equals(message.get(ROLE)))
                .map(message -> message.get(CONTENT)).toList();
    }
}
