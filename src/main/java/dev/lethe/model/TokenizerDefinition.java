package dev.lethe.model;

import dev.lethe.engine.BadInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a tokenizer.json says: its ids, the one that ends a text, and the definition without special tokens, truncation
 * and padding. The end of text is the eos_token of tokenizer_config.json or special_tokens_map.json, else {@code
 * <|endoftext|>} where that is a token.
 */
record TokenizerDefinition(Map<String, Object> json, Map<String, Integer> ids, String endOfTextName) {

    static TokenizerDefinition read(Path folder) {
        Path file = folder.resolve(TokenizerFiles.TOKENIZER);
        Map<String, Object> json = Json.object(file);
        if (!(json.get("model") instanceof Map<?, ?> model)) {
            throw new BadInputException(file + ": has no model; not a tokenizer.json of the tokenizers library");
        }
        Map<String, Integer> ids = new LinkedHashMap<>();
        if (model.get("vocab") instanceof Map<?, ?> vocab) {
            vocab.forEach((token, id) -> ids.put((String) token, id(file, token, id)));
        } else if (model.get("vocab") instanceof List<?> pieces) { // Unigram: [[piece, score], …], the id is the place
            for (int i = 0; i < pieces.size(); i++) {
                ids.put(pieces.get(i) instanceof List<?> pair && !pair.isEmpty() ? String.valueOf(pair.getFirst()) : "", i);
            }
        }
        if (json.get("added_tokens") instanceof List<?> added) {
            for (Object token : added) {
                if (token instanceof Map<?, ?> entry) {
                    ids.put(String.valueOf(entry.get("content")), id(file, entry.get("content"), entry.get("id")));
                }
            }
        }
        if (ids.isEmpty()) {
            throw new BadInputException(file + ": its vocabulary is empty");
        }
        return new TokenizerDefinition(json, ids, endOfTextName(folder));
    }

    /** One more than the largest id. */
    int vocabulary() {
        return ids.values().stream().mapToInt(Integer::intValue).max().orElse(-1) + 1;
    }

    /** -1 when there is none. */
    int endOfText() {
        return ids.getOrDefault(endOfTextName, -1);
    }

    String plainJson() {
        Map<String, Object> plain = new LinkedHashMap<>(json);
        plain.put("added_tokens", json.get("added_tokens") instanceof List<?> added
                ? added.stream().filter(token -> !special(token)).toList() : List.of());
        plain.put("truncation", null);
        plain.put("padding", null);
        return Json.text(plain);
    }

    private static boolean special(Object token) {
        return token instanceof Map<?, ?> entry && Boolean.TRUE.equals(entry.get("special"));
    }

    private static int id(Path file, Object token, Object id) {
        if (id instanceof Integer number && number >= 0 && number < Integer.MAX_VALUE) {
            return number;
        }
        throw new BadInputException(file + ": token " + token + " has the id " + id + "; must be a whole number from 0");
    }

    private static String endOfTextName(Path folder) {
        for (String name : List.of(TokenizerFiles.SETTINGS, "special_tokens_map.json")) {
            if (Files.isRegularFile(folder.resolve(name))) {
                Object token = Json.object(folder.resolve(name)).get("eos_token");
                Object text = token instanceof Map<?, ?> described ? described.get("content") : token;
                if (text instanceof String found) {
                    return found;
                }
            }
        }
        return Gpt2Tokenizer.END_OF_TEXT_NAME;
    }
}
