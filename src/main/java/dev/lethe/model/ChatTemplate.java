package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.base.Io;
import dev.lethe.template.JinjaSandbox;
import dev.lethe.template.JinjaTags;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A checkpoint's chat template: messages to text, as transformers' {@code apply_chat_template} with {@code tokenize=False}
 * makes it. It is given no tools, no documents and no clock.
 */
final class ChatTemplate {
    static final String FILE = "chat_template.jinja";
    private static final String KEY = "chat_template";

    private final JinjaSandbox template;
    private final Map<String, String> tokens;
    private final boolean marksGeneration;

    private ChatTemplate(String name, String source, Map<String, String> tokens) {
        try {
            this.template = new JinjaSandbox(name, source);
        } catch (NoClassDefFoundError e) {
            throw new EngineException(Status.UNSUPPORTED, name + ": chat templates need Jinjava, which is not on the class path; add"
                    + " the dependency com.hubspot.jinjava:jinjava", e);
        }
        this.tokens = tokens;
        this.marksGeneration = source.matches("(?s).*\\{%-?\\s*generation\\s*-?%\\}.*");
    }

    /**
     * The template of a model folder: chat_template.jinja, else chat_template of tokenizer_config.json, which may be a list of
     * named ones; then the one called default.
     *
     * @throws BadInputException when there is none, or none is the default
     */
    static ChatTemplate read(Path folder) {
        Path settings = folder.resolve(TokenizerFiles.SETTINGS);
        Map<String, Object> json = Files.isRegularFile(settings) ? Json.object(settings) : Map.of();
        Path special = folder.resolve(TokenizerFiles.SPECIAL);
        Map<String, String> tokens = new HashMap<>();
        if (Files.isRegularFile(special)) {
            addTokens(Json.object(special), tokens);
        }
        addTokens(json, tokens);
        Path file = folder.resolve(FILE);
        if (Files.isRegularFile(file)) {
            return Io.reading(file, () -> new ChatTemplate(file.toString(), Files.readString(file), tokens));
        }
        return new ChatTemplate(settings + ", " + KEY, source(folder, settings, json.get(KEY)), tokens);
    }

    private static String source(Path folder, Path settings, Object value) {
        if (value instanceof String text) {
            return text;
        }
        if (value instanceof List<?> named) {
            for (Object item : named) {
                if (item instanceof Map<?, ?> entry && "default".equals(entry.get("name"))
                        && entry.get("template") instanceof String text) {
                    return text;
                }
            }
            throw new BadInputException(settings + ": of its chat templates none is called default; put the one that the model"
                    + " was trained with into " + FILE + " beside it");
        }
        throw new BadInputException(folder + ": has no chat template (no " + FILE + ", no " + KEY + " in "
                + TokenizerFiles.SETTINGS + "), so conversations cannot be read; put the one that the model was trained with there");
    }

    /** bos_token and its like, which templates name. */
    private static void addTokens(Map<String, Object> json, Map<String, String> tokens) {
        json.forEach((key, value) -> {
            Object text = value instanceof Map<?, ?> described ? described.get("content") : value;
            if (key.endsWith("_token") && text instanceof String token) {
                tokens.put(key, token);
            }
        });
    }

    /** Whether it says itself, by generation blocks, what the assistant says. */
    boolean marksGeneration() {
        return marksGeneration;
    }

    /**
     * The text of messages.
     *
     * @param generate  whether the beginning of the assistant's next message is to follow
     * @param variables beside the messages: true, false and whole numbers are taken as such
     * @return with {@link JinjaTags#OPEN} and {@link JinjaTags#CLOSE} around generation blocks
     * @throws BadInputException where the template refuses the messages or cannot be rendered
     */
    String render(List<Map<String, String>> messages, boolean generate, Map<String, String> variables) {
        Map<String, Object> all = new HashMap<>(tokens);
        variables.forEach((name, value) -> all.put(name, typed(value)));
        all.put("messages", messages);
        all.put("add_generation_prompt", generate);
        return template.render(all);
    }

    private static Object typed(String value) {
        return value.equals("true") || value.equals("false") ? (Object) Boolean.valueOf(value)
                : value.matches("-?\\d{1,18}") ? (Object) Long.valueOf(value) : value;
    }
}
