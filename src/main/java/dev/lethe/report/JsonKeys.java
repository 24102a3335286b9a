package dev.lethe.report;

import java.util.Locale;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.PropertyNamingStrategy;

/** Keys of results: snake_case with every capital a word's beginning, so {@code minKPlusPlus} is {@code min_k_plus_plus}. */
public final class JsonKeys {
    /** For a mapper; Jackson's own SNAKE_CASE takes capitals in a row for one word and writes {@code min_kplus_plus}. */
    public static final PropertyNamingStrategy SNAKE_CASE = new PropertyNamingStrategies.NamingBase() {
        @Override
        public String translate(String property) {
            return snake(property);
        }
    };

    private JsonKeys() {}

    static String snake(String name) {
        return name.replaceAll("(?<=.)(?=\\p{Upper})", "_").toLowerCase(Locale.ROOT);
    }
}
