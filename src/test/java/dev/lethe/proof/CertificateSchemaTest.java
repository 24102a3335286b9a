package dev.lethe.proof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** docs/certificate.schema.json and the records of Statement say the same, and certificates hold to it. */
class CertificateSchemaTest {
    private static final Set<String> KNOWN = Set.of("$schema", "$id", "$defs", "$ref", "title", "description", "type",
            "properties",
            "required", "additionalProperties", "items", "minItems", "maxItems", "const", "enum", "pattern");
    private static final JsonNode SCHEMA = new JsonMapper().readTree(
            Path.of(System.getProperty("lethe.root", "."), "docs/certificate.schema.json").toFile());

    @TempDir
    Path folder;

    @Test
    void certificatesHoldToIt() throws Exception {
        MadeUpRun made = new MadeUpRun(folder).certified();
        Path golden = Path.of(CertificateSchemaTest.class.getResource("/golden/proof/erased/certificate.dsse.json").toURI());
        for (Path file : List.of(made.file(Certificate.FILE), golden)) {
            JsonNode payload = payload(file);
            assertEquals(List.of(), problems(payload, SCHEMA, ""));
            String text = payload.toString();
            for (String[] change : new String[][] {{"\"certified\":\"2026", "\"certified\":\"26"}, {"\"reached\":", "\"got\":"},
                {"\"erasure\":\"", "\"erasure\":\"dave"}, {"\"score\":100.0", "\"score\":\"100\""}, {"\"log\":",
                        "\"name\":\"Dave\",\"log\":"}}) {
                assertFalse(problems(new JsonMapper().readTree(text.replace(change[0], change[1])), SCHEMA, "").isEmpty(),
                        change[1]);
            }
        }
    }

    private static JsonNode payload(Path file) throws IOException {
        JsonNode envelope = new JsonMapper().readTree(Files.readAllBytes(file));
        return new JsonMapper().readTree(Base64.getDecoder().decode(envelope.get("payload").asString()));
    }

    /** Every record's fields are the schema's properties, in every place, so that neither can grow alone. */
    @Test
    void theSchemaHasTheFieldsOfTheRecords() {
        Set<String> records = new TreeSet<>();
        fields(Statement.class, "", records);
        Set<String> schema = new TreeSet<>();
        properties(SCHEMA, "", schema);
        schema.removeIf(name -> name.matches(".*/(digest/sha256|files/(journal|proof)/.*)")); // maps
        assertEquals(schema, records);
        assertTrue(records.contains("/predicate/outcome/after/heldOut"), records.toString());
    }

    private static void fields(Class<?> type, String at, Set<String> into) {
        for (RecordComponent component : type.getRecordComponents()) {
            com.fasterxml.jackson.annotation.JsonProperty named = component.getAccessor()
                    .getAnnotation(com.fasterxml.jackson.annotation.JsonProperty.class);
            String name = at + "/" + (named == null ? component.getName() : named.value());
            into.add(name);
            Type inner = component.getGenericType() instanceof ParameterizedType list ? list.getActualTypeArguments()[0]
                    : component.getType();
            if (inner instanceof Class<?> record && record.isRecord()) {
                fields(record, name, into);
            }
        }
    }

    private static void properties(JsonNode schema, String at, Set<String> into) {
        JsonNode here = resolved(schema);
        if (here.has("items")) {
            properties(here.get("items"), at, into);
        }
        here.path("properties").forEachEntry((name, inner) -> {
            into.add(at + "/" + name);
            properties(inner, at + "/" + name, into);
        });
    }

    private static JsonNode resolved(JsonNode schema) {
        return schema.has("$ref") ? SCHEMA.at(schema.get("$ref").asString().substring(1)) : schema;
    }

    /** What this schema needs of JSON Schema 2020-12, and no keyword that is not looked at. */
    private static List<String> problems(JsonNode value, JsonNode unresolved, String at) {
        JsonNode schema = resolved(unresolved);
        assertTrue(KNOWN.containsAll(schema.propertyNames()), () -> at + ": " + schema.propertyNames());
        List<String> problems = new ArrayList<>();
        boolean typed = switch (schema.path("type").asString("")) {
            case "object" -> value.isObject();
            case "array" -> value.isArray();
            case "string" -> value.isString();
            case "number" -> value.isNumber();
            case "integer" -> value.isIntegralNumber();
            case "boolean" -> value.isBoolean();
            default -> true;
        };
        boolean listed = !schema.has("enum") || StreamSupport.stream(schema.get("enum").spliterator(),
                false).anyMatch(value::equals);
        boolean spelled = !schema.has("pattern") || value.asString().matches(".*(" + schema.get("pattern").asString() + ").*");
        boolean counted = !schema.has("minItems") || value.size() >= schema.get("minItems").asInt()
                && value.size() <= schema.get("maxItems").asInt();
        if (!typed || !listed || !spelled || !counted || schema.has("const") && !schema.get("const").equals(value)) {
            problems.add(at + ": " + value);
        }
        schema.path("required").forEach(name -> {
            if (!value.has(name.asString())) {
                problems.add(at + "/" + name.asString() + " is missing");
            }
        });
        if (value.isObject()) {
            value.forEachEntry((name, inner) -> {
                JsonNode property = schema.path("properties").path(name);
                if (!property.isMissingNode()) {
                    problems.addAll(problems(inner, property, at + "/" + name));
                } else if (schema.has("additionalProperties")) {
                    problems.add(at + "/" + name + " is not known");
                }
            });
        }
        if (schema.has("items")) {
            value.forEach(item -> problems.addAll(problems(item, schema.get("items"), at + "[]")));
        }
        return problems;
    }
}
