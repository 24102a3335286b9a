package dev.lethe.data;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Objects;

/**
 * One training example as its file gives it.
 *
 * @param id         unique in its data set
 * @param subject    whom or what it is about, or null
 * @param prompt     text that is read but carries no loss, or null
 * @param completion text to be learned; the whole text when there is no prompt
 */
public record Record(String id, String subject, String prompt, String completion) {

    public Record {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(completion, "completion");
    }

    /**
     * The completion as it follows the prompt. Where neither the prompt ends nor the completion begins with white space,
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

    /** The whole text: prompt, space where one is needed, completion. */
    public String text() {
        return prompt == null ? completion : prompt + continuation();
    }

    /** SHA-256, lower-case hex, of {@link #text()} in UTF-8. */
    public String hash() {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text().getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }
}
