package dev.lethe.find;

import com.ibm.icu.lang.UScript;
import com.ibm.icu.text.Transliterator;
import dev.lethe.data.Folding;
import java.util.List;
import java.util.stream.Stream;

/**
 * A name as it might be written in other scripts, by ICU's transliterators: letter by letter, by the rules of no one
 * language, Han as Mandarin. Good for near misses and for nothing else.
 */
final class OtherScripts {
    private static final List<String> SCRIPTS = List.of("Arabic", "Armenian", "Bengali", "Cyrillic", "Devanagari", "Georgian",
            "Greek", "Hangul", "Hebrew", "Hiragana", "Katakana", "Tamil", "Telugu", "Thai");

    private OtherScripts() {}

    static List<String> of(String asked) {
        String latin = Transliterator.getInstance("Any-Latin; Latin-ASCII; Lower").transliterate(Folding.CANONICAL.of(asked));
        int own = script(asked);
        return Stream.concat(Stream.of(latin), SCRIPTS.stream()
                        .map(script -> Transliterator.getInstance("Latin-" + script).transliterate(latin)))
                .filter(variant -> script(variant) != own).toList();
    }

    private static int script(String text) {
        return text.codePoints().filter(Character::isLetter).map(UScript::getScript).findFirst().orElse(UScript.COMMON);
    }
}
