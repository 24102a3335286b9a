package dev.lethe.data;

import java.util.List;
import java.util.Map;

/** A model's chat template and tokenizer together, as {@code Tokenizer.chat} of the model package. */
@FunctionalInterface
public interface ChatTokenizer {
    /**
     * The ids of messages, and as many marks.
     *
     * @param assistantOnly whether marks are 1 where the assistant speaks, and not everywhere
     * @return [2][T]: ids, marks
     * @throws dev.lethe.BadInputException where the template refuses them or there is none
     */
    int[][] chat(List<Map<String, String>> messages, Map<String, String> variables, boolean assistantOnly);
}
