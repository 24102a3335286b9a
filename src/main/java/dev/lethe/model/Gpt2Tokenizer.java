package dev.lethe.model;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;
import com.knuddels.jtokkit.api.IntArrayList;
import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * GPT-2's byte-level BPE by jtokkit's {@code r50k_base}, the same ids as OpenAI's and transformers'. One instance a
 * process; loaded on first use (about 50,000 ranks).
 */
public final class Gpt2Tokenizer implements Tokenizer {
    static final int END_OF_TEXT = 50256;
    static final String END_OF_TEXT_NAME = "<|endoftext|>";
    static final Gpt2Tokenizer INSTANCE = new Gpt2Tokenizer();

    private final Encoding encoding = Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);

    private Gpt2Tokenizer() {
    }

    @Override
    public int[] encode(String text) {
        return encoding.encodeOrdinary(text).toArray();
    }

    @Override
    public String decode(int[] ids) {
        StringBuilder text = new StringBuilder();
        IntArrayList run = new IntArrayList(ids.length);
        for (int id : ids) {
            if (id >= 0 && id <= END_OF_TEXT) {
                run.add(id);
            } else {
                text.append(encoding.decode(run)).append(NO_TOKEN);
                run.clear();
            }
        }
        return text.append(encoding.decode(run)).toString();
    }

    @Override
    public int[][] chat(List<Map<String, String>> messages, Map<String, String> variables, boolean assistantOnly) {
        throw new BadInputException("GPT-2's own tokenizer has no chat template; conversations need a model folder with a"
                + " tokenizer.json and a chat template");
    }

    @Override
    public int vocabulary() {
        return END_OF_TEXT + 1;
    }

    @Override
    public int endOfText() {
        return END_OF_TEXT;
    }

    /** Writes vocab.json and merges.txt with the bytes OpenAI published, and a tokenizer_config.json. */
    @Override
    public void save(Path folder) {
        Io.input(folder + ": tokenizer files cannot be written", () -> Gpt2Vocabulary.write(folder));
    }

    /** Does nothing: the tables belong to the process. */
    @Override
    public void close() {
    }
}
