package dev.lethe.model;

import ai.djl.util.Utils;
import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.base.Io;
import dev.lethe.base.Reason;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A tokenizer.json, by Hugging Face's own library through DJL. Its native code lies in the jar; downloads and call-home
 * are switched off before it loads. What the library gets is {@link TokenizerDefinition}'s, and that every token has the
 * file's id there is looked at once loaded.
 */
public final class HuggingFaceTokenizer implements Tokenizer {
    /** Of a text at once: far more than a context holds, and little enough for every expression that is accepted. */
    private static final int LONGEST_TEXT = 200_000;
    private static final int CHECKED_AT_ONCE = 4096;

    private final ai.djl.huggingface.tokenizers.HuggingFaceTokenizer tokenizer;
    private final TokenizerDefinition definition;
    private final Path folder;
    private final BitSet known = new BitSet();
    private ChatText chat; // read when first needed: most folders have a template, few are given conversations

    private HuggingFaceTokenizer(ai.djl.huggingface.tokenizers.HuggingFaceTokenizer tokenizer, TokenizerDefinition definition,
            Path folder) {
        this.tokenizer = tokenizer;
        this.definition = definition;
        this.folder = folder;
        definition.ids().values().forEach(known::set);
    }

    /** @throws BadInputException when tokenizer.json is broken, or of a kind that Lethe or the library does not know */
    static HuggingFaceTokenizer open(Path folder) {
        TokenizerDefinition definition = TokenizerDefinition.read(folder);
        try (var bare = load(definition, false)) {
            requireIds(bare, definition);
        }
        return new HuggingFaceTokenizer(load(definition, true), definition, folder);
    }

    private static ai.djl.huggingface.tokenizers.HuggingFaceTokenizer load(TokenizerDefinition definition,
            boolean decoder) {
        try (var _ = new Offline()) {
            var in = new ByteArrayInputStream(definition.forLibrary(decoder).getBytes(StandardCharsets.UTF_8));
            return ai.djl.huggingface.tokenizers.HuggingFaceTokenizer.newInstance(in,
                    Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
        } catch (LinkageError | ai.djl.engine.EngineException e) {
            throw new EngineException(Status.UNSUPPORTED, "the tokenizers' native library cannot be loaded: "
                    + (e.getCause() instanceof IllegalCallerException denied ? Reason.of(denied)
                    + "; start Java with --enable-native-access=dev.lethe,ai.djl.tokenizers, on the class path with ALL-UNNAMED"
                    : Reason.of(e) + "; it is unpacked into " + Utils.getEngineCacheDir("tokenizers")
                    + ": set DJL_CACHE_DIR to a folder that can be written and whose file system is not mounted noexec"), e);
        } catch (IOException | RuntimeException e) {
            throw new BadInputException(definition.file() + ": not a tokenizer this version can read ("
                    + Reason.of(e, definition.file()) + ")", e);
        }
    }

    /**
     * What the library asks the process's properties for whenever it opens a tokenizer. They stand there for that moment only, for
     * the process is not ours; what somebody has set stays as it is.
     */
    private static final class Offline implements AutoCloseable {
        private static final Map<String, String> SETTINGS = Map.of("ai.djl.offline", "true", "OPT_OUT_TRACKING", "true",
                "RUST_FLAVOR", "cpu", "slf4j.internal.verbosity", "ERROR");
        private static final ReentrantLock ALONE = new ReentrantLock();
        private final List<String> ours;

        Offline() {
            ALONE.lock();
            ours = SETTINGS.keySet().stream().filter(key -> System.getProperty(key) == null).toList();
            ours.forEach(key -> System.setProperty(key, SETTINGS.get(key)));
        }

        @Override
        public void close() {
            ours.forEach(System::clearProperty);
            ALONE.unlock();
        }
    }

    /** The library numbers added tokens itself, in the file's order, whatever ids the file gives them. */
    private static void requireIds(ai.djl.huggingface.tokenizers.HuggingFaceTokenizer bare, TokenizerDefinition definition) {
        List<Map.Entry<String, Integer>> all = List.copyOf(definition.ids().entrySet());
        for (int from = 0; from < all.size(); from += CHECKED_AT_ONCE) {
            var some = all.subList(from, Math.min(all.size(), from + CHECKED_AT_ONCE));
            long[][] ids = some.stream().map(entry -> new long[] {entry.getValue()}).toArray(long[][]::new);
            String[] tokens = bare.batchDecode(ids, false);
            for (int i = 0; i < tokens.length; i++) {
                String token = some.get(i).getKey();
                if (!definition.name(token).equals(tokens[i])) {
                    throw new BadInputException(definition.file() + ": gives " + token + " the id " + ids[i][0]
                            + ", which the tokenizer library gives to "
                            + (tokens[i].isEmpty() ? "no token" : definition.unhide(tokens[i])) + "; "
                            + TokenizerFiles.conversion(definition.file().getParent()));
                }
            }
        }
    }

    @Override
    public int[] encode(String text) {
        if (text.length() > LONGEST_TEXT) {
            throw new BadInputException(String.format(Locale.ROOT, "a text of %,d characters is too long for the tokenizer,"
                    + " which takes %,d at once; make several of it", text.length(), LONGEST_TEXT));
        }
        try {
            long[] ids = tokenizer.encode(text, false, false).getIds();
            return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
        } catch (RuntimeException e) {
            throw new BadInputException(definition.file() + ": cannot encode a text (" + Reason.of(e) + ")", e);
        }
    }

    @Override
    public synchronized int[][] chat(List<Map<String, String>> messages, Map<String, String> variables, boolean assistantOnly) {
        if (chat == null) {
            chat = new ChatText(ChatTemplate.read(folder), definition.specials(), this::encode);
        }
        return chat.ids(messages, variables, assistantOnly);
    }

    @Override
    public String decode(int[] ids) {
        StringBuilder text = new StringBuilder();
        int from = 0;
        for (int i = 0; i <= ids.length; i++) {
            boolean unknown = i < ids.length && (ids[i] < 0 || !known.get(ids[i]));
            if (i > from && (unknown || i == ids.length)) {
                text.append(tokenizer.decode(Arrays.stream(ids, from, i).asLongStream().toArray(), false));
            }
            if (unknown) {
                text.append(NO_TOKEN);
                from = i + 1;
            }
        }
        return definition.unhide(text.toString());
    }

    @Override
    public int vocabulary() {
        return known.length();
    }

    @Override
    public int endOfText() {
        return definition.endOfText();
    }

    /** Copies the files it was read from; they must still be there. */
    @Override
    public void save(Path target) {
        Io.input(target + ": tokenizer files cannot be copied from " + folder, () -> {
            if (!Files.isSameFile(folder, target)) {
                TokenizerFiles.copy(folder, target);
            }
        });
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
