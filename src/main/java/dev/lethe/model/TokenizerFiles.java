package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.FolderLinks;
import dev.lethe.base.PrivateFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The files of a tokenizer in a model folder, by the names transformers gives them. */
final class TokenizerFiles {
    static final String TOKENIZER = "tokenizer.json";
    static final String SETTINGS = "tokenizer_config.json";
    static final String VOCABULARY = "vocab.json";
    static final String MERGES = "merges.txt";
    static final String SPECIAL = "special_tokens_map.json";
    static final String ADDED = "added_tokens.json";

    /** Any of these makes a tokenizer; the others only describe it. */
    private static final List<String> ESSENTIAL = List.of(TOKENIZER, VOCABULARY, MERGES);
    static final List<String> ALL = List.of(TOKENIZER, VOCABULARY, MERGES, SETTINGS, SPECIAL, ADDED, "chat_template.jinja");
    /** Tokenizers of other kinds, and the class of transformers that reads each: in a GPT-2's folder it does not guess. */
    private static final Map<String, String> FOREIGN = new TreeMap<>(Map.of("spiece.model", "T5Tokenizer",
            "tokenizer.model", "LlamaTokenizer", "sentencepiece.bpe.model", "XLMRobertaTokenizer",
            "vocab.txt", "BertTokenizer", "tekken.json", "AutoTokenizer", "tiktoken.model", "AutoTokenizer",
            "vocab.bpe", "AutoTokenizer"));

    private TokenizerFiles() {
    }

    /** @throws BadInputException when one of them is a link that leads out of the folder */
    static void requireInside(Path folder) {
        ALL.forEach(name -> FolderLinks.requireInside(folder, folder.resolve(name)));
    }

    /** Whether a folder has a tokenizer of its own. */
    static boolean isIn(Path folder) {
        return ESSENTIAL.stream().anyMatch(name -> Files.isRegularFile(folder.resolve(name)));
    }

    /** Copies what is there; false, and nothing copied, when the source has no tokenizer. */
    static boolean copy(Path from, Path to) throws IOException {
        requireInside(from);
        if (!isIn(from)) {
            return false;
        }
        for (String name : ALL) {
            if (Files.isRegularFile(from.resolve(name))) {
                PrivateFiles.write(to.resolve(name), Files.readAllBytes(from.resolve(name)));
            }
        }
        return true;
    }

    /**
     * Whether GPT-2's own tokenizer is that of a folder without a tokenizer.json.
     *
     * @throws BadInputException when a file there is of another tokenizer, with the command that writes a tokenizer.json
     */
    static void requireGpt2(Path folder) {
        FOREIGN.forEach((name, type) -> {
            if (Files.exists(folder.resolve(name))) {
                throw new BadInputException(folder + ": has " + name + " but no tokenizer.json; " + conversion(folder, type));
            }
        });
        boolean files = Files.exists(folder.resolve(VOCABULARY)) || Files.exists(folder.resolve(MERGES));
        if (files && !Gpt2Vocabulary.isIn(folder)) {
            throw new BadInputException(folder + ": vocab.json or merges.txt are not GPT-2's and there is no tokenizer.json; "
                    + conversion(folder));
        }
        TokenizerSettings settings = TokenizerSettings.read(folder);
        Map<String, Integer> own = Map.of(Gpt2Tokenizer.END_OF_TEXT_NAME, Gpt2Tokenizer.END_OF_TEXT);
        settings.requireAdded(own);
        if (settings.endOfText(own, own.keySet()) != Gpt2Tokenizer.END_OF_TEXT || settings.prefixSpace()
                || settings.endId() >= 0 && settings.endId() != Gpt2Tokenizer.END_OF_TEXT && settings.endName() == null) {
            throw new BadInputException(folder + ": its settings are not those of GPT-2's own tokenizer ("
                    + (settings.prefixSpace() ? "add_prefix_space" : "eos_token_id " + settings.endId())
                    + ") and there is no tokenizer.json; " + conversion(folder));
        }
    }

    /** What to do about a tokenizer that is not read as it is. */
    static String conversion(Path folder) {
        return conversion(folder, "AutoTokenizer");
    }

    private static String conversion(Path folder, String type) {
        return "let transformers write it: python3 -c \"from transformers import " + type
                + " as T; T.from_pretrained('" + folder + "').save_pretrained('" + folder + "')\"";
    }
}
