/*
 * The JSON of certificates, signatures and log entries: camelCase as in-toto has it, fields in the order of the records, null
 * left out. There is one way to write a value, and reading refuses every other: so no byte of a file can change unseen, whether
 * a signature covers it or not.
 */
package dev.lethe.proof;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.json.JsonMapper;

/** Canonical JSON. Stateless, any thread. */
final class ProofJson {
    private static final JsonMapper MAPPER = JsonMapper
            .builder(JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build())
            .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, DeserializationFeature.FAIL_ON_TRAILING_TOKENS,
                    DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .changeDefaultPropertyInclusion(all -> all.withValueInclusion(JsonInclude.Include.NON_NULL))
            .build();

    private ProofJson() { }

    /** One line without its end, in UTF-8. */
    static byte[] bytes(Object value) {
        return MAPPER.writeValueAsString(value).getBytes(StandardCharsets.UTF_8);
    }

    static JsonNode tree(Object value) {
        return MAPPER.valueToTree(value);
    }

    /**
     * @param place what an error names
     * @throws DamagedDataException unless the bytes are what {@link #bytes} makes of a value of this type
     */
    static <T> T read(byte[] json, Class<T> type, String place) {
        T value;
        try {
            value = MAPPER.readValue(json, type);
        } catch (JacksonException e) {
            Throwable root = e;
            while (root.getCause() != null) {
                root = root.getCause();
            }
            String what = root instanceof JacksonException cause ? String.valueOf(cause.getOriginalMessage()) : Reason.of(root);
            throw new DamagedDataException(place + ": is not what Lethe writes: " + what.lines().findFirst().orElse(""), e);
        }
        if (value == null || !Arrays.equals(bytes(value), json)) {
            throw new DamagedDataException(place + ": is not written as Lethe writes it; it was changed");
        }
        return value;
    }
}
