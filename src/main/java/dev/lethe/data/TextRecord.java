package dev.lethe.data;

import dev.lethe.base.Sha256;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One training example as its file gives it.
 *
 * @param id         unique in its data set
 * @param subject    whom or what it is about, or null
 * @param prompt     text that is read but carries no loss, or null
 * @param completion text to be learned; the whole text when there is no prompt
 * @param conversation messages of which the prompt is what is read and the completion what is learned, or null
 */
public record TextRecord(String id, @Nullable String subject, @Nullable String prompt, String completion,
                         @Nullable Conversation conversation) {

    /** Refuses null for id and completion. */
    public TextRecord {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(completion, "completion");
    }

    /**
     * A record that is no conversation.
     *
     * @param id unique in its data
     * @param subject whom or what it is about, or null
     * @param prompt what is read and carries no loss, or null
     * @param completion what is learned
     */
    public TextRecord(String id, @Nullable String subject, @Nullable String prompt, String completion) {
        this(id, subject, prompt, completion, null);
    }

    /**
     * {@return the completion as it follows the prompt} Where neither the prompt ends nor the completion begins with white space,
     * one space is put between, and it belongs to the completion: byte-level BPE keeps a word and its space together.
     */
    public String continuation() {
        if (prompt == null || prompt.isEmpty() || completion.isEmpty()) {
            return completion;
        }
        boolean apart = Character.isWhitespace(prompt.codePointBefore(prompt.length()))
                || Character.isWhitespace(completion.codePointAt(0));
        return apart ? completion : " " + completion;
    }

    /**
     * {@return the whole text: prompt, space where one is needed, completion; of a conversation what its messages say, a line each}
     */
    public String text() {
        return conversation != null ? conversation.text() : prompt == null ? completion : prompt + continuation();
    }

    /** {@return whether it is a prompt and its answer, so that another can stand in the answer's place} */
    public boolean answers() {
        return conversation == null ? prompt != null : conversation.endsWithAnswer();
    }

    /**
     * {@return the same with another answer and id}
     *
     * @param id unique in its data
     * @param answer what stands in the answer's place
     */
    public TextRecord answered(String id, String answer) {
        return conversation == null ? new TextRecord(id, subject, prompt, answer)
                : conversation.answered(answer).record(id, subject);
    }

    /** {@return its texts as they stand in a data file} */
    public List<String> parts() {
        if (conversation != null) {
            return conversation.parts();
        }
        return prompt == null ? List.of(completion) : List.of(prompt, completion);
    }

    /**
     * {@return SHA-256, lower-case hex, in UTF-8, of {@link #text()}; of a conversation over its messages with their roles}
     */
    public String hash() {
        String whole = conversation != null ? conversation.unambiguous() : text();
        return Sha256.hex(Sha256.of(whole.getBytes(StandardCharsets.UTF_8)));
    }
}
