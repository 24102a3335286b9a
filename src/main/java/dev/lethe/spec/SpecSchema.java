package dev.lethe.spec;

import com.networknt.schema.Error;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SchemaRegistryConfig;
import com.networknt.schema.SpecificationVersion;
import com.networknt.schema.path.NodePath;
import com.networknt.schema.path.PathType;
import dev.lethe.base.Io;
import dev.lethe.base.Settings;
import java.io.InputStream;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.NullNode;
import tools.jackson.databind.node.ObjectNode;

/** A spec's structure by spec.schema.json: names, types, ranges. A validator finds what is wrong, here it is told. */
final class SpecSchema {
    private static final Map<String, String> KINDS = Map.of("string", "a string", "integer", "a whole number",
            "number", "a number", "boolean", "true or false", "array", "a list", "object", "an object");
    private static final JsonNode TREE = Io.disk("spec.schema.json", () -> {
        try (InputStream schema = SpecSchema.class.getResourceAsStream("spec.schema.json")) {
            return new JsonMapper().readTree(schema);
        }
    });
    private static final Schema SCHEMA = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12,
            registry -> registry.schemaRegistryConfig(SchemaRegistryConfig.builder().pathType(PathType.JSON_PATH)
                    .build())).getSchema(TREE);

    private SpecSchema() { }

    /** Adds what is wrong, each with its JSON path, and takes the wrong values out: of a list they become null. */
    static void check(JsonNode spec, List<String> problems) {
        List<Error> errors = SCHEMA.validate(spec).stream().filter(error -> !within(error, "oneOf")
                && (error.getInstanceNode().isObject() || !error.getKeyword().equals("oneOf"))).toList();
        errors.forEach(error -> problems.add(place(error) + ": " + message(error)));
        for (Error error : errors) {
            NodePath at = error.getInstanceLocation();
            switch (error.getKeyword()) {
                case "additionalProperties" -> ((ObjectNode) error.getInstanceNode()).remove(error.getProperty());
                case "type", "enum", "const", "pattern", "minimum", "exclusiveMinimum", "maximum" -> remove(spec, at);
                default -> { } // what is there can be read
            }
        }
    }

    /** Whether a branch of a keyword found it: the keyword's own error says it all. */
    private static boolean within(Error error, String keyword) {
        NodePath path = error.getEvaluationPath();
        for (int i = 0; i < path.getNameCount() - 1; i++) {
            if (path.getElement(i).equals(keyword)) {
                return true;
            }
        }
        return false;
    }

    private static void remove(JsonNode spec, NodePath at) {
        JsonNode owner = owner(spec, at);
        if (owner instanceof ObjectNode object) {
            object.remove(at.getElement(-1).toString());
        } else if (owner instanceof ArrayNode array) {
            array.set((Integer) at.getElement(-1), NullNode.getInstance());
        }
    }

    private static String place(Error error) {
        return error.getInstanceLocation() + switch (error.getKeyword()) {
            case "additionalProperties", "required" -> "." + error.getProperty();
            case "uniqueItems" -> "[" + twice(error.getInstanceNode()) + "]";
            default -> "";
        };
    }

    /** The first place whose value was there before: 1 and 1.0 are one. */
    private static int twice(JsonNode list) {
        Set<Object> before = new HashSet<>();
        return IntStream.range(0, list.size()).filter(i -> !before.add(list.get(i).isNumber()
                ? list.get(i).decimalValue().stripTrailingZeros() : list.get(i))).findFirst().orElse(list.size() - 1);
    }

    private static String message(Error error) {
        JsonNode says = error.getSchemaNode();
        JsonNode value = error.getInstanceNode();
        return switch (error.getKeyword()) {
            case "additionalProperties" -> unknown(error.getProperty(), schema(error));
            case "required" -> "is missing: "
                    + schema(error).at("/properties/" + error.getProperty() + "/description").asString();
            case "type" -> "is " + brief(value) + ", must be "
                    + (says.isArray() ? says.valueStream() : List.of(says).stream())
                    .map(kind -> KINDS.get(kind.asString())).collect(Collectors.joining(" or "));
            case "enum" -> "is " + brief(value) + ", must be one of " + says.valueStream().map(JsonNode::asString)
                    .collect(Collectors.joining(", "));
            case "pattern" -> "is " + brief(value) + ", must be one of "
                    + says.asString().replaceAll("[$^()]", "").replace("|", ", ");
            case "const" -> "is " + brief(value) + ", must be " + says.asString();
            case "minimum" -> "is " + value + ", must be at least " + says;
            case "exclusiveMinimum" -> "is " + value + ", must be above " + says;
            case "maximum" -> "is " + value + ", must be at most " + says;
            case "minItems" -> "is empty";
            case "uniqueItems" -> value.get(twice(value)) + " occurs twice";
            case "oneOf" -> "needs exactly one of " + says.valueStream().map(one -> one.at("/required/0").asString())
                    .collect(Collectors.joining(", "));
            default -> error.getMessage();
        };
    }

    /** The schema that a keyword stands in. */
    private static JsonNode schema(Error error) {
        return owner(TREE, error.getSchemaLocation().getFragment());
    }

    /** What the thing at a path stands in. */
    private static JsonNode owner(JsonNode root, NodePath path) {
        JsonNode owner = root;
        for (int i = 0; i < path.getNameCount() - 1; i++) {
            Object element = path.getElement(i);
            owner = element instanceof Integer index ? owner.path(index) : owner.path(element.toString());
        }
        return owner;
    }

    private static String unknown(String name, JsonNode owner) {
        Collection<String> known = owner.get("properties").propertyNames();
        return "is not known here" + (owner.has("description") ? " (" + owner.get("description").asString() + ")" : "")
                + "; the nearest is " + Settings.nearest(name, known) + "; known are " + String.join(", ", known);
    }

    private static String brief(JsonNode value) {
        String text = value.toString();
        return value.isObject() ? "an object" : value.isArray() ? "a list"
                : text.length() > 40 ? text.substring(0, 40) + "…" : text;
    }
}
