package dev.lethe.model;

import dev.lethe.base.BadInputException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/**
 * A tokenizer.json, checked: its ids, the one that ends a text, and the definition as the tokenizer library gets it. There,
 * special tokens have names that no text contains, so that they keep their ids and text never becomes one; truncation,
 * padding and the post-processor, which only adds special tokens, are left out.
 *
 * @param ids    token to id; no two tokens have one id
 * @param hidden special token to its name in the library
 */
record TokenizerDefinition(Path file, Map<String, Object> json, Map<String, Integer> ids, Map<String, String> hidden,
                           int endOfText) {
    /** Drawn anew in each process, so that no text has it. */
    private static final String SECRET = "\uFDD0" + UUID.randomUUID() + "-";

    /** @throws BadInputException naming the file and what in it is broken or not known */
    static TokenizerDefinition read(Path folder) {
        Path file = folder.resolve(TokenizerFiles.TOKENIZER);
        Map<String, Object> json = Json.object(file);
        if (!(json.get("model") instanceof Map<?, ?> model)) {
            throw new BadInputException(file + ": has no model; not a tokenizer.json of the tokenizers library");
        }
        json.put("model", TokenizerVocabulary.typed(model));
        TokenizerParts.check(file, json);
        Map<String, Integer> ids = TokenizerVocabulary.read(file, json);
        Set<String> special = new HashSet<>();
        TokenizerVocabulary.added(file, json).stream().filter(entry -> Boolean.TRUE.equals(entry.get("special")))
                .forEach(entry -> special.add((String) entry.get("content")));
        TokenizerSettings settings = TokenizerSettings.read(folder);
        settings.requireAdded(ids);
        if (settings.prefixSpace() && json.get("pre_tokenizer") instanceof Map<?, ?> part
                && Boolean.FALSE.equals(part.get("add_prefix_space"))) {
            throw new BadInputException(file + ": puts no space before a text, " + TokenizerFiles.SETTINGS + " beside it does; "
                    + TokenizerFiles.conversion(folder));
        }
        int end = settings.endOfText(ids, special);
        ids.forEach((token, id) -> {
            if (id == end) {
                special.add(token);
            }
        });
        TokenizerVocabulary.removeMerged(special, file, (Map<?, ?>) json.get("model")); // words, whatever they are called
        Map<String, String> hidden = new HashMap<>();
        special.forEach(token -> hidden.put(token, SECRET + ids.get(token) + "\uFDD0"));
        return new TokenizerDefinition(file, json, ids, hidden, end);
    }

    /** @param decoder false for a library that decodes ids to the bare tokens; it has the ids, but makes no words */
    String forLibrary(boolean decoder) {
        Map<String, Object> model = new LinkedHashMap<>();
        ((Map<?, ?>) json.get("model")).forEach((key, value) -> model.put((String) key, value));
        if (!decoder) {
            model.computeIfPresent("merges", (key, merges) -> List.of());
        }
        model.computeIfPresent("unk_token", (key, token) -> name((String) token));
        if (model.get("vocab") instanceof Map<?, ?> vocab) {
            Map<String, Object> renamed = LinkedHashMap.newLinkedHashMap(vocab.size());
            vocab.forEach((token, id) -> renamed.put(name((String) token), id));
            model.put("vocab", renamed);
        } else {
            model.put("vocab", ((List<?>) model.get("vocab")).stream().map(piece -> (List<?>) piece)
                    .map(piece -> List.of(name((String) piece.get(0)), piece.get(1))).toList());
        }
        Map<String, Object> plain = new LinkedHashMap<>();
        plain.put("version", "1.0");
        plain.put("added_tokens", TokenizerVocabulary.added(file, json).stream().filter(entry ->
                hidden.containsKey(entry.get("content")) || !Boolean.TRUE.equals(entry.get("special")))
                .map(this::renamed).toList());
        plain.put("normalizer", json.get("normalizer"));
        plain.put("pre_tokenizer", json.get("pre_tokenizer"));
        plain.put("decoder", decoder ? json.get("decoder") : null);
        plain.put("model", model);
        return Json.text(plain);
    }

    /** The tokens that no text becomes, as a chat template writes them. */
    List<ChatText.Special> specials() {
        Map<String, Map<?, ?>> entries = new HashMap<>();
        TokenizerVocabulary.added(file, json).forEach(entry -> entries.put((String) entry.get("content"), entry));
        return hidden.entrySet().stream().map(token -> {
            Map<?, ?> entry = entries.getOrDefault(token.getKey(), Map.of());
            return new ChatText.Special(token.getKey(), token.getValue(), Boolean.TRUE.equals(entry.get("lstrip")),
                    Boolean.TRUE.equals(entry.get("rstrip")));
        }).toList();
    }

    /** What the library calls a token. */
    String name(String token) {
        return hidden.getOrDefault(token, token);
    }

    /** A decoded text with the tokens' own names. */
    String unhide(String text) {
        if (text.contains(SECRET)) {
            for (Map.Entry<String, String> token : hidden.entrySet()) {
                text = text.replace(token.getValue(), token.getKey());
            }
        }
        return text;
    }

    private Map<String, Object> renamed(Map<?, ?> entry) {
        boolean renamed = hidden.containsKey(entry.get("content"));
        Map<String, Object> copy = new LinkedHashMap<>();
        copy.put("id", entry.get("id"));
        copy.put("content", name((String) entry.get("content")));
        for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized", "special")) {
            copy.put(flag, !renamed && Boolean.TRUE.equals(entry.get(flag)));
        }
        return copy;
    }
}
