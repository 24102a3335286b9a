package dev.lethe.model;

import dev.lethe.base.BadInputException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The tokens of a tokenizer.json and their ids, of its model and of those added to it. */
final class TokenizerVocabulary {
    private final Path file;
    private final Map<String, Integer> ids = new LinkedHashMap<>();
    private final Map<Integer, String> tokens = new HashMap<>();

    private TokenizerVocabulary(Path file) {
        this.file = file;
    }

    /** @throws BadInputException when the vocabulary is empty, or a token or an id is there twice */
    static Map<String, Integer> read(Path file, Map<String, Object> json) {
        TokenizerVocabulary vocabulary = new TokenizerVocabulary(file);
        Map<?, ?> model = (Map<?, ?>) json.get("model");
        if (model.get("vocab") instanceof Map<?, ?> vocab) {
            vocab.forEach((token, id) -> vocabulary.put((String) token, id));
        } else if (model.get("vocab") instanceof List<?> pieces) { // Unigram: [[piece, score], …], the id is the place
            pieces.forEach(piece -> vocabulary.put(vocabulary.piece(piece), vocabulary.ids.size()));
        }
        added(file, json).forEach(entry -> vocabulary.put((String) entry.get("content"), entry.get("id")));
        if (model.get("vocab") == null || vocabulary.ids.isEmpty()) {
            throw new BadInputException(file + ": its vocabulary is empty");
        }
        return vocabulary.ids;
    }

    /** The entries of added_tokens. */
    static List<Map<?, ?>> added(Path file, Map<String, Object> json) {
        if (json.get("added_tokens") == null) {
            return List.of();
        }
        if (!(json.get("added_tokens") instanceof List<?> entries) || !entries.stream().allMatch(entry ->
                entry instanceof Map<?, ?> token && token.get("content") instanceof String text && !text.isEmpty())) {
            throw new BadInputException(file + ": added_tokens is not a list of tokens with a content");
        }
        return entries.stream().<Map<?, ?>>map(entry -> (Map<?, ?>) entry).toList();
    }

    /** A model with its type, which old files leave out. */
    static Map<String, Object> typed(Map<?, ?> model) {
        Map<String, Object> typed = new LinkedHashMap<>();
        typed.put("type", model.containsKey("merges") ? "BPE" : model.get("vocab") instanceof List ? "Unigram"
                : model.containsKey("max_input_chars_per_word") ? "WordPiece" : "WordLevel");
        model.forEach((key, value) -> typed.put((String) key, value));
        return typed;
    }

    /**
     * Takes the tokens out that a BPE model makes of others or makes others of.
     *
     * @throws BadInputException when a merge is no pair of tokens, the second with the prefix where the model has one
     */
    static void removeMerged(Set<String> special, Path file, Map<?, ?> model) {
        String prefix = model.get("continuing_subword_prefix") instanceof String text ? text : "";
        for (Object merge : model.get("merges") instanceof List<?> merges ? merges : List.of()) {
            List<?> pair = merge instanceof String text ? List.of(text.split(" ", -1))
                    : merge instanceof List<?> list ? list : List.of();
            if (pair.size() != 2 || !(pair.get(0) instanceof String first) || !(pair.get(1) instanceof String second)
                    || !second.startsWith(prefix)) {
                throw new BadInputException(file + ": the merge " + merge + " is not two tokens"
                        + (prefix.isEmpty() ? "" : ", the second with " + prefix + " before it"));
            }
            special.remove(first);
            special.remove(second);
            special.remove(first + second.substring(prefix.length()));
        }
    }

    static int id(Path file, Object token, Object id) {
        if (id instanceof Integer number && number >= 0 && number < Integer.MAX_VALUE) {
            return number;
        }
        throw new BadInputException(file + ": token " + token + " has the id " + id + "; must be a whole number from 0");
    }

    private void put(String token, Object value) {
        int id = id(file, token, value);
        Integer other = ids.putIfAbsent(token, id);
        if (other != null && other != id) {
            throw new BadInputException(file + ": token " + token + " has the ids " + other + " and " + id);
        }
        String same = tokens.putIfAbsent(id, token);
        if (same != null && !same.equals(token)) {
            throw new BadInputException(file + ": the id " + id + " is that of " + same + " and of " + token);
        }
    }

    private String piece(Object piece) {
        if (piece instanceof List<?> pair && pair.size() == 2 && pair.get(0) instanceof String text
                && pair.get(1) instanceof Number score && Double.isFinite(score.doubleValue())) {
            return text;
        }
        throw new BadInputException(file + ": the piece " + piece + " of its vocabulary is not a text with a score");
    }
}
