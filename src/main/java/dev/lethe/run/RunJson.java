/* How a run's JSON looks: snake_case keys in the order of the record components, absent instead of null. */
package dev.lethe.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.Reason;
import dev.lethe.shape.Block;
import dev.lethe.shape.ModelShape;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** JSON of a run. Stateless, any thread. */
public final class RunJson {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .changeDefaultPropertyInclusion(all -> all.withValueInclusion(JsonInclude.Include.NON_NULL))
            .addMixIn(ModelShape.class, ShapeInJson.class)
            .build();

    /** A GPT-2's block is left out, as before there were others; the epsilon keeps the name it had then. */
    private abstract static class ShapeInJson {
        @JsonProperty("layer_norm_epsilon")
        abstract double normEpsilon();

        @JsonInclude(value = JsonInclude.Include.CUSTOM, valueFilter = Gpt2.class)
        abstract Block block();

        @JsonInclude(JsonInclude.Include.NON_EMPTY)
        abstract List<ModelShape.Adapter> adapters();
    }

    /** Equals what is left out. */
    private static final class Gpt2 {
        @Override
        public boolean equals(Object block) {
            return block == null || Block.GPT2.equals(block);
        }

        @Override
        public int hashCode() {
            return Block.GPT2.hashCode();
        }
    }

    private RunJson() { }

    /** One line, no line end. */
    public static String line(Object value) {
        return MAPPER.writeValueAsString(value);
    }

    /** Indented, for people, with a line end. */
    public static String pretty(Object value) {
        return MAPPER.writer().with(SerializationFeature.INDENT_OUTPUT).writeValueAsString(value) + "\n";
    }

    /** {@code place} is what an error names, as {@code file} or {@code file:line}. */
    public static <T> T read(String json, Class<T> type, String place) {
        try {
            return MAPPER.readValue(json, type);
        } catch (JacksonException e) {
            throw damaged(place, e);
        }
    }

    public static JsonNode tree(String json, String place) {
        try {
            return MAPPER.readTree(json);
        } catch (JacksonException e) {
            throw damaged(place, e);
        }
    }

    /** A whole file. @throws dev.lethe.base.BadInputException when it cannot be read @throws DamagedDataException when it is another's */
    public static <T> T read(Path file, Class<T> type) {
        return read(text(file), type, file.toString());
    }

    /** A value a line; throws as the other. @param type may be {@link JsonNode} */
    public static <T> List<T> lines(Path file, Class<T> type) {
        List<T> values = new ArrayList<>();
        text(file).lines().forEach(line -> values.add(read(line, type, file + ":" + (values.size() + 1))));
        return values;
    }

    static String text(Path file) {
        return Io.reading(file, () -> {
            try {
                return Files.readString(file);
            } catch (CharacterCodingException e) {
                throw new DamagedDataException(file + ": is not UTF-8 text");
            }
        });
    }

    private static DamagedDataException damaged(String place, JacksonException cause) {
        Throwable root = cause;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        String message = root instanceof JacksonException json ? json.getOriginalMessage() : Reason.of(root);
        return new DamagedDataException(place + ": " + message.replaceFirst(" ?\\(start marker at .*", ""), cause);
    }
}
