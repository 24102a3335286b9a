package dev.lethe.model;

import dev.lethe.base.BadInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What the files beside a tokenizer say of it: which token ends a text, and which tokens were added.
 *
 * @param endName     eos_token of tokenizer_config.json or special_tokens_map.json, or null
 * @param endId       eos_token_id of config.json, an adapter's base's, of several the first, or -1
 * @param added       token to id, of added_tokens.json and tokenizer_config.json's added_tokens_decoder
 * @param prefixSpace whether tokenizer_config.json has transformers put a space before every text; only GPT-2's does
 */
record TokenizerSettings(Path folder, String endName, int endId, Map<String, Integer> added, boolean prefixSpace) {

    static TokenizerSettings read(Path folder) {
        Map<String, Object> settings = object(folder.resolve(TokenizerFiles.SETTINGS));
        Map<String, Integer> added = new LinkedHashMap<>();
        Path file = folder.resolve(TokenizerFiles.ADDED);
        object(file).forEach((token, id) -> added.put(token, TokenizerVocabulary.id(file, token, id)));
        if (settings.get("added_tokens_decoder") instanceof Map<?, ?> entries) {
            entries.forEach((id, token) -> {
                if (id instanceof String digits && digits.matches("\\d{1,9}") && content(token) instanceof String text) {
                    added.put(text, Integer.parseInt(digits));
                }
            });
        }
        Object name = content(settings.get("eos_token"));
        name = name != null ? name : content(object(folder.resolve(TokenizerFiles.SPECIAL)).get("eos_token"));
        Path model = AdapterFolder.isIn(folder) ? BaseFolder.of(folder) : folder;
        Object id = object(model.resolve(Checkpoint.CONFIG)).get("eos_token_id");
        id = id instanceof List<?> several && !several.isEmpty() ? several.getFirst() : id;
        return new TokenizerSettings(folder, name instanceof String text ? text : null,
                id instanceof Integer number ? number : -1, added, Boolean.TRUE.equals(settings.get("add_prefix_space"))
                        && String.valueOf(settings.getOrDefault("tokenizer_class", "GPT2")).startsWith("GPT2"));
    }

    /** @throws BadInputException when a token that was added is not among these, or has another id there */
    void requireAdded(Map<String, Integer> ids) {
        added.forEach((token, id) -> {
            if (!id.equals(ids.get(token))) {
                throw new BadInputException(folder + ": " + TokenizerFiles.ADDED + " or " + TokenizerFiles.SETTINGS
                        + " adds " + token + " as id " + id + ", which "
                        + (ids.containsKey(token) ? "is id " + ids.get(token) : "is not") + " in the tokenizer itself; "
                        + TokenizerFiles.conversion(folder));
            }
        });
    }

    /**
     * The id that ends a text, of these: the one named, else {@code <|endoftext|>}; -1 for none. An id alone is a name
     * too, except for the one transformers writes into every GPT-2's config.json where nobody chose.
     *
     * @param special tokens that are no ordinary words
     * @throws BadInputException when the token named is not among these
     */
    int endOfText(Map<String, Integer> ids, Set<String> special) {
        if (endName != null && !ids.containsKey(endName)) {
            throw new BadInputException(folder + ": " + endName + " is named as the token that ends a text, but the "
                    + "tokenizer has no such token; " + TokenizerFiles.conversion(folder));
        }
        if (endName != null) {
            return ids.get(endName);
        }
        boolean chosen = endId != Gpt2Tokenizer.END_OF_TEXT ? ids.containsValue(endId)
                : special.stream().anyMatch(token -> ids.get(token) == endId);
        return chosen ? endId : ids.getOrDefault(Gpt2Tokenizer.END_OF_TEXT_NAME, -1);
    }

    private static Object content(Object token) {
        return token instanceof Map<?, ?> described ? described.get("content") : token;
    }

    private static Map<String, Object> object(Path file) {
        return Files.isRegularFile(file) ? Json.object(file) : Map.of();
    }
}
