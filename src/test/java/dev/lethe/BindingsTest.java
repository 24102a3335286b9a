package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.bindings.LetheNative;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * The committed bindings belong to the committed header. The hash catches a header changed without
 * bindings/generate.sh, the names catch bindings changed by hand. A running library's version is checked at its load.
 */
class BindingsTest {
    private static final Path ROOT = Path.of(System.getProperty("lethe.root", "."));
    private static final Path HEADER = ROOT.resolve("native/include/lethe.h");

    @Test
    void theHeaderIsTheOneTheBindingsWereMadeFrom() throws Exception {
        String hash = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(HEADER)));
        String recorded = Files.readString(ROOT.resolve("bindings/header.sha256")).strip();
        assertEquals(hash, recorded,
                "native/include/lethe.h has changed: run bindings/generate.sh and commit bindings/");
    }

    @Test
    void everyFunctionOfTheHeaderIsBoundAndNoOther() throws IOException {
        Set<String> declared = new TreeSet<>();
        var function = Pattern.compile("^LETHE_API \\w+ (lethe_\\w+)\\(", Pattern.MULTILINE)
                .matcher(Files.readString(HEADER));
        while (function.find()) {
            declared.add(function.group(1));
        }
        Set<String> bound = Arrays.stream(LetheNative.class.getMethods())
                .map(method -> method.getName())
                .filter(name -> name.endsWith("$descriptor"))
                .map(name -> name.substring(0, name.length() - "$descriptor".length()))
                .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(declared, bound);
    }
}
