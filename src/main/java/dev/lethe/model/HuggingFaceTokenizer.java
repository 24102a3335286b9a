package dev.lethe.model;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.util.Utils;
import dev.lethe.engine.BadInputException;
import dev.lethe.engine.EngineException;
import dev.lethe.engine.Reason;
import dev.lethe.engine.Status;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * Any tokenizer.json, by Hugging Face's own library through DJL. Its native code lies in the jar; downloads and call-home
 * are switched off before it loads. Special tokens, truncation and padding are taken out of the definition first, so that
 * user text is never read as a special token, cut or filled.
 */
public final class HuggingFaceTokenizer implements Tokenizer {
    private final ai.djl.huggingface.tokenizers.HuggingFaceTokenizer tokenizer;
    private final Path folder;
    private final int vocabulary;
    private final int endOfText;

    private HuggingFaceTokenizer(ai.djl.huggingface.tokenizers.HuggingFaceTokenizer tokenizer, Path folder, int vocabulary,
            int endOfText) {
        this.tokenizer = tokenizer;
        this.folder = folder;
        this.vocabulary = vocabulary;
        this.endOfText = endOfText;
    }

    /** @throws BadInputException when tokenizer.json is broken or of a kind the library does not know */
    static HuggingFaceTokenizer open(Path folder) {
        Path file = folder.resolve(TokenizerFiles.TOKENIZER);
        TokenizerDefinition definition = TokenizerDefinition.read(folder);
        for (var setting : Map.of("ai.djl.offline", "true", "OPT_OUT_TRACKING", "true", "RUST_FLAVOR", "cpu",
                "slf4j.internal.verbosity", "ERROR").entrySet()) {
            if (System.getProperty(setting.getKey()) == null) {
                System.setProperty(setting.getKey(), setting.getValue());
            }
        }
        try {
            var in = new ByteArrayInputStream(definition.plainJson().getBytes(StandardCharsets.UTF_8));
            var tokenizer = ai.djl.huggingface.tokenizers.HuggingFaceTokenizer.newInstance(in,
                    Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
            return new HuggingFaceTokenizer(tokenizer, folder, definition.vocabulary(), definition.endOfText());
        } catch (LinkageError | ai.djl.engine.EngineException e) {
            throw new EngineException(Status.UNSUPPORTED, "the tokenizers' native library cannot be loaded: " + Reason.of(e)
                    + "; it is unpacked into " + Utils.getEngineCacheDir("tokenizers")
                    + ": set DJL_CACHE_DIR to a folder that can be written and whose file system is not mounted noexec", e);
        } catch (IOException | RuntimeException e) {
            throw new BadInputException(file + ": not a tokenizer this version can read (" + Reason.of(e, file) + ")", e);
        }
    }

    @Override
    public int[] encode(String text) {
        Encoding encoding = tokenizer.encode(text, false, false);
        long[] ids = encoding.getIds();
        int[] result = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            result[i] = Math.toIntExact(ids[i]);
        }
        return result;
    }

    @Override
    public String decode(int[] ids) {
        long[] wide = new long[ids.length];
        for (int i = 0; i < ids.length; i++) {
            wide[i] = ids[i];
        }
        return tokenizer.decode(wide, false);
    }

    @Override
    public int vocabulary() {
        return vocabulary;
    }

    @Override
    public int endOfText() {
        return endOfText;
    }

    /** Copies the files it was read from; they must still be there. */
    @Override
    public void save(Path target) {
        try {
            if (!Files.isSameFile(folder, target)) {
                TokenizerFiles.copy(folder, target);
            }
        } catch (IOException e) {
            throw new BadInputException(target + ": tokenizer files cannot be copied from " + folder + ": " + Reason.of(e), e);
        }
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
