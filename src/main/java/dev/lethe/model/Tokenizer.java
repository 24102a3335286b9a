package dev.lethe.model;

import dev.lethe.base.BadInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Text to token ids and back. User text is ordinary text: nothing in it, not even {@code <|endoftext|>}, becomes a
 * special token, and none is added. Safe for several threads at a time.
 */
public sealed interface Tokenizer extends AutoCloseable permits Gpt2Tokenizer, HuggingFaceTokenizer {
    /** The ids of a text; empty for an empty text. */
    int[] encode(String text);

    /** What an id without a token decodes to, as the rows that pad a model's vocabulary. */
    char NO_TOKEN = '\uFFFD';

    /** The text of ids. An id without a token, and bytes that are not UTF-8 on their own, become U+FFFD. */
    String decode(int[] ids);

    /**
     * The ids of a conversation by the model's chat template: those of transformers' {@code apply_chat_template}, but for
     * special tokens inside messages, which are ordinary text here too.
     *
     * @param messages      each with a role, a content, and whatever else the template looks at
     * @param variables     what the template is given beside the messages, as {@code date_string}
     * @param assistantOnly whether only what the assistant says is marked, and not all
     * @return [2][T]: ids, and 1 for each that is marked, else 0
     * @throws BadInputException when there is no template, it refuses the messages or needs what it may not have, or the
     *         assistant's part cannot be told apart
     */
    int[][] chat(List<Map<String, String>> messages, Map<String, String> variables, boolean assistantOnly);

    /** One more than the largest id. */
    int vocabulary();

    /** The id that ends a text, or -1 when the tokenizer has none. */
    int endOfText();

    /** Writes the tokenizer's files into an existing folder, for transformers and for {@link #of}. */
    void save(Path folder);

    @Override
    void close();

    /** GPT-2's own byte-level BPE, 50,257 ids, built in. */
    static Tokenizer gpt2() {
        return Gpt2Tokenizer.INSTANCE;
    }

    /**
     * The tokenizer of a model folder: its tokenizer.json where there is one; else GPT-2's, provided that no file there is of
     * another. An adapter's folder without one has its base's.
     *
     * @throws BadInputException when the files cannot be used, or there are none and the model's vocabulary is too small
     */
    static Tokenizer of(Path modelFolder) {
        Path own = Checkpoint.tokenizer(modelFolder, null);
        if (!own.equals(modelFolder)) {
            return of(own);
        }
        TokenizerFiles.requireInside(modelFolder);
        if (Files.isRegularFile(modelFolder.resolve(TokenizerFiles.TOKENIZER))) {
            return HuggingFaceTokenizer.open(modelFolder);
        }
        TokenizerFiles.requireGpt2(modelFolder);
        if (Checkpoint.isAdapter(modelFolder) || Files.exists(modelFolder.resolve(Checkpoint.CONFIG))) {
            ModelSettings settings = Checkpoint.config(modelFolder);
            if (settings.type() != ModelType.GPT2 && !Files.exists(modelFolder.resolve(TokenizerFiles.VOCABULARY))) {
                throw new BadInputException(modelFolder + ": has no tokenizer.json; " + TokenizerFiles.conversion(modelFolder));
            }
            long rows = settings.shape().vocabulary();
            if (rows < gpt2().vocabulary()) {
                throw new BadInputException(modelFolder + ": has no tokenizer.json, and its vocabulary of " + rows
                        + " is too small for GPT-2's own tokenizer of " + gpt2().vocabulary() + "; put tokenizer.json beside");
            }
        }
        return gpt2();
    }
}
