package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/**
 * The one way this package reads and writes JSON: strict UTF-8, no duplicate keys, nothing after the value, bounded size.
 * Depth and number length are bounded by Jackson's own limits.
 */
final class Json {
    static final JsonFactory FACTORY = JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

    private static final JsonMapper MAPPER = JsonMapper.builder(FACTORY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(SerializationFeature.INDENT_OUTPUT).build();
    private static final long LARGEST_FILE = 256L << 20;

    private Json() {
    }

    /** The object in a file. @throws BadInputException naming the file and what it is instead */
    static Map<String, Object> object(Path file) {
        return object(bytes(file), file);
    }

    static Map<String, Object> object(byte[] content, Object source) {
        if (content.length == 0) {
            throw new BadInputException(source + ": empty file; copy it again from where the model came from");
        }
        Object value;
        try {
            value = MAPPER.readValue(utf8(content), new TypeReference<Object>() { });
        } catch (JacksonException e) {
            throw new BadInputException(source + ": not valid JSON: " + reason(e), e);
        }
        if (!(value instanceof Map<?, ?> map)) {
            throw new BadInputException(source + ": not a JSON object");
        }
        Map<String, Object> object = new LinkedHashMap<>();
        map.forEach((key, item) -> object.put((String) key, item));
        return object;
    }

    /** Indented, with a line end behind. */
    static String text(Map<String, Object> object) {
        return MAPPER.writeValueAsString(object) + "\n";
    }

    static byte[] bytes(Path file) {
        try {
            if (Files.isDirectory(file)) {
                throw new BadInputException(file + ": is a folder, not a file");
            }
            if (Files.size(file) > LARGEST_FILE) {
                throw new BadInputException(file + ": larger than " + (LARGEST_FILE >> 20) + " MiB, which no such file is");
            }
            return Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            throw new BadInputException(file + ": no such file", e);
        } catch (IOException e) {
            throw new BadInputException(file + ": cannot be read: " + Reason.of(e, file), e);
        }
    }

    /** Decodes strictly; a bad byte surfaces as a JacksonException of the parser that reads from it. */
    static Reader utf8(byte[] content) {
        return new InputStreamReader(new ByteArrayInputStream(content), StandardCharsets.UTF_8.newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT).onUnmappableCharacter(CodingErrorAction.REPORT));
    }

    /** Jackson's first line and the place, without its source dump. */
    static String reason(JacksonException e) {
        if (e.getCause() instanceof java.nio.charset.CharacterCodingException) {
            return "invalid UTF-8";
        }
        String what = String.valueOf(e.getOriginalMessage()).lines().findFirst().orElse("");
        var place = e.getLocation();
        return place == null || place.getLineNr() < 1 ? what
                : what + " (line " + place.getLineNr() + ", column " + place.getColumnNr() + ")";
    }
}
