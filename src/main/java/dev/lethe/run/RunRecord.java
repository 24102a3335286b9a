/* One line of a run's records.jsonl. */
package dev.lethe.run;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.lethe.data.TextRecord;
import java.util.List;
import java.util.Map;

/**
 * A record as a run remembers it.
 *
 * @param id         of the record
 * @param sha256     of its text, lower-case hex
 * @param tokens     positions the model saw, after truncation
 * @param split      learned or held out
 * @param subject    only with kept text; may be null there too
 * @param prompt     only with kept text; may be null there too
 * @param completion only with kept text, else null
 * @param messages   of a conversation, only with kept text, in place of prompt and completion
 * @param unlearned  true for a record of an adopted run that the model knows no better than one it never saw, else null
 */
public record RunRecord(String id, String sha256, int tokens, Split split, String subject, String prompt,
                        String completion, List<Map<String, String>> messages, Boolean unlearned) {

    public static RunRecord of(TextRecord record, int tokens, Split split, boolean keepText) {
        boolean messages = record.conversation() != null;
        boolean plain = keepText && !messages;
        return new RunRecord(record.id(), record.hash(), tokens, split, keepText ? record.subject() : null,
                plain ? record.prompt() : null, plain ? record.completion() : null,
                keepText && messages ? record.conversation().messages() : null, null);
    }

    boolean hasText() {
        return completion != null || messages != null;
    }

    public RunRecord notLearned() {
        return new RunRecord(id, sha256, tokens, split, subject, prompt, completion, messages, true);
    }

    /**
     * TRAIN: learned. HOLDOUT: kept back, so that it shows what "never seen" looks like.
     * Which side of a training a record is on.
     */
    public enum Split {
        @JsonProperty("train") TRAIN,
        @JsonProperty("holdout") HOLDOUT
    }
}
