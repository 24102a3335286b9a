package dev.lethe.model;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.FolderLinks;
import dev.lethe.engine.PrivateFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The files of a tokenizer in a model folder, by the names transformers gives them. */
final class TokenizerFiles {
    static final String TOKENIZER = "tokenizer.json";
    static final String SETTINGS = "tokenizer_config.json";
    static final String VOCABULARY = "vocab.json";
    static final String MERGES = "merges.txt";

    /** Any of these makes a tokenizer; the others only describe it. */
    private static final List<String> ESSENTIAL = List.of(TOKENIZER, VOCABULARY, MERGES);
    static final List<String> ALL = List.of(TOKENIZER, VOCABULARY, MERGES, SETTINGS, "special_tokens_map.json",
            "added_tokens.json", "chat_template.jinja");

    private TokenizerFiles() {
    }

    /** @throws BadInputException when one of them is a link that leads out of the folder */
    static void requireInside(Path folder) {
        ALL.forEach(name -> FolderLinks.requireInside(folder, folder.resolve(name)));
    }

    /** Copies what is there; false, and nothing copied, when the source has no tokenizer. */
    static boolean copy(Path from, Path to) throws IOException {
        requireInside(from);
        if (ESSENTIAL.stream().noneMatch(name -> Files.isRegularFile(from.resolve(name)))) {
            return false;
        }
        for (String name : ALL) {
            if (Files.isRegularFile(from.resolve(name))) {
                PrivateFiles.write(to.resolve(name), Files.readAllBytes(from.resolve(name)));
            }
        }
        return true;
    }
}
