package dev.lethe.report;

import java.util.Locale;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.SerializationContext;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.ValueSerializer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.module.SimpleModule;

/**
 * How results look as JSON: keys in the order of declaration, snake_case with every capital a word's beginning ({@code minKPlusPlus} is
 * {@code min_k_plus_plus}, where Jackson's own SNAKE_CASE writes {@code min_kplus_plus}); a number that is none (NaN, infinite) is null.
 */
public final class ResultJson {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .propertyNamingStrategy(new PropertyNamingStrategies.NamingBase() {
                @Override
                public String translate(String property) {
                    return snake(property);
                }
            })
            .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
            .enable(SerializationFeature.INDENT_OUTPUT)
            .addModule(new SimpleModule().addSerializer(Double.class, new Numbers()).addSerializer(double.class, new Numbers()))
            .build();

    private ResultJson() { }

    /** Indented, without an end of its last line. */
    public static String pretty(Object value) {
        return MAPPER.writeValueAsString(value);
    }

    static String snake(String name) {
        return name.replaceAll("(?<=.)(?=\\p{Upper})", "_").toLowerCase(Locale.ROOT);
    }

    private static final class Numbers extends ValueSerializer<Double> {
        @Override
        public void serialize(Double value, JsonGenerator generator, SerializationContext context) {
            if (Double.isFinite(value)) {
                generator.writeNumber(value);
            } else {
                generator.writeNull();
            }
        }
    }
}
