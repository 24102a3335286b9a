package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The expressions of known tokenizers are accepted, and none that can be made to match in exponentially many ways. */
class SafePatternTest {
    private static final String CASED = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+%s|"
            + "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*%s|";
    private static final String TAIL = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String CLITICS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

    @Test
    void acceptsKnownTokenizers() {
        for (String known : new String[] {
            "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",                    // GPT-2
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            CLITICS + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" + TAIL,                                        // Llama 3, GLM-4
            CLITICS + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|" + TAIL,                                             // Qwen2
            "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
            CASED.replace("%s", CLITICS + "?") + "\\p{N}{1,3}|" + TAIL.replace("]*|", "/]*|"),                     // GPT-4o, gpt-oss
            CASED.replace("%s", "") + "\\p{N}|" + TAIL.replace("]*|", "/]*|"),                                     // Mistral's tekken
            "[^\\r\\n\\p{L}\\p{N}]?((?=[\\p{L}])([^a-z]))*((?=[\\p{L}])([^A-Z]))+" + CLITICS + "?|\\p{N}{1,3}|" + TAIL, // Mistral Small
            "[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{M}&&[^\\p{Han}]]+" + CLITICS + "?|" + TAIL, // Kimi
            "\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",                                                                       // DeepSeek V3
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
                    + "\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
            "[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "\\s+$", "\\s?[!-/:-~！-／：-～‘-‟　-。]+",                         // older DeepSeek
            " ?[^(\\s|[.,!?…。，、।۔،])]+", "[0-9][0-9][0-9]", " {2,}", "\\s+", " ",            // BLOOM, Falcon, ALBERT
            "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"}) { // CLIP
            SafePattern.check("file", known);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"(a|a|aa)+$", "(a+)+b", "(a*)*", "(a|b*)+", "(?:a|ab)*c", "a+a+b", "\\s*\\s*\\s*x", "(a?){50}b", "a?a?a?a?a?a?a?a?a?a?aaaaaaaaaa",
        "(a{1,9}){1,9}", "a{1,9}b{1,9}c{1,9}d{1,9}", "a{1,100}b+c", "\\s*(?:a|b|c|d|e|f|g|h|i)", "((a?)?)*", "(?=a+b+c)d", "(?=a*)+", "a{999}", "a{,5}", "a{2,1}", "a{0}",
        "a*", "", "a|", "(?!x)", "^", "(?<n>a)", "(?<=a)b", "(?>a)", "(?i)a", "(?~a)", "(a", "a)", "[a", "[]", "[]a]", "[[:alpha:]]", "a**", "*a",
        "a+?b", "\\1", "(a)\\1", "\\k<n>", "\\g<0>", "\\R", "\\X", "\\K", "\\b", "\\x80", "\\u00e9", "\\", "\\p", "\\p{", "\\p{L", "{2}", "a]"})
    void refusesWhatMayNotEndOrIsNotKnown(String pattern) {
        String message = assertThrows(BadInputException.class, () -> SafePattern.check("file: normalizer", pattern)).getMessage();
        assertTrue(message.startsWith("file: normalizer: the regular expression \"" + pattern + "\" "), message);
        assertTrue(message.endsWith("; write it as the tokenizers of GPT-2, Llama or Qwen do"), message);
    }

    @Test
    void saysWhatAndWhere() {
        assertEquals("t.json: pre_tokenizer: the regular expression \"(a|a|aa)+$\" repeats without bound what can match in more than"
                + " one way (character 9); write it as the tokenizers of GPT-2, Llama or Qwen do", assertThrows(BadInputException.class,
                        () -> SafePattern.check("t.json: pre_tokenizer", "(a|a|aa)+$")).getMessage());
    }

    @Test
    void deepNestingAndLengthAreBounded() {
        assertThrows(BadInputException.class, () -> SafePattern.check("f", "(".repeat(5000)));
        assertThrows(BadInputException.class, () -> SafePattern.check("f", "[".repeat(5000)));
        assertThrows(BadInputException.class, () -> SafePattern.check("f", "a".repeat(10_001)));
    }
}
