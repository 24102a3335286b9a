package dev.lethe.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.exc.UnexpectedEndOfInputException;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.exc.MismatchedInputException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeType;

/**
 * One line of JSON Lines into a {@link Record}: {@code {id?, subject?, text}} or {@code {id?, subject?, prompt,
 * completion}}. Other keys are ignored, null counts as absent, a whole number is taken as an id. Everything wrong with a
 * line goes to the problems as {@code file:line: what}.
 */
final class RecordParser {
    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    private static final Pattern QUOTED = Pattern.compile("[\"']([^\"']+)[\"']");

    private final String place;
    private final Problems problems;
    private boolean failed;

    private RecordParser(String place, Problems problems) {
        this.place = place;
        this.problems = problems;
    }

    /** @param place {@code file:line}, for messages; @param fallbackId the id when the line has none */
    static Optional<Record> parse(String line, String place, String fallbackId, Problems problems) {
        return new RecordParser(place, problems).record(line, fallbackId);
    }

    /** As {@link #parse} for {@code {id?, subject?, prompt, completion, paraphrase?, perturbed}}. */
    static Optional<PerturbedRecord> parsePerturbed(String line, String place, String fallbackId, boolean paraphrase,
            Problems problems) {
        return new RecordParser(place, problems).perturbed(line, fallbackId, paraphrase);
    }

    private Optional<Record> record(String line, String fallbackId) {
        return object(line, "{\"text\": …} or {\"prompt\": …, \"completion\": …}")
                .flatMap(object -> record(object, fallbackId));
    }

    private Optional<JsonNode> object(String line, String form) {
        try {
            JsonNode object = JSON.readTree(line);
            if (object.isObject()) {
                return Optional.of(object);
            }
            fail("not a JSON object but " + name(object) + "; a line is " + form);
        } catch (JacksonException e) {
            fail(broken(line, e, form));
        }
        return Optional.empty();
    }

    private Optional<PerturbedRecord> perturbed(String line, String fallbackId, boolean needsParaphrase) {
        Optional<JsonNode> found = object(line, "{\"prompt\": …, \"completion\": …, \"paraphrase\": …, \"perturbed\": […]}");
        if (found.isEmpty()) {
            return Optional.empty();
        }
        JsonNode object = found.get();
        Optional<Record> record = record(object, fallbackId);
        if (record.isPresent() && record.get().prompt() == null) {
            fail("has text but no \"prompt\" and \"completion\"; an evaluation set is of questions and answers");
        }
        String paraphrase = string(object, "paraphrase");
        JsonNode given = object.get("paraphrase");
        if (needsParaphrase && (given == null || given.isNull())) {
            fail("no \"paraphrase\": the truth ratio of learned records needs the answer in other words");
        }
        List<String> wrong = strings(object, "perturbed");
        return failed ? Optional.empty() : Optional.of(new PerturbedRecord(record.orElseThrow(), paraphrase, wrong));
    }

    private List<String> strings(JsonNode object, String key) {
        JsonNode array = object.get(key);
        if (array == null || !array.isArray() || array.isEmpty()) {
            fail(array == null || array.isNull() ? "no \"" + key + "\": give a list of wrong answers"
                    : "\"" + key + "\" is " + (array.isArray() ? "an empty list" : name(array))
                            + ", must be a list of wrong answers, at least one");
            return List.of();
        }
        List<String> values = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
            values.add(checked(key + "[" + i + "]", array.get(i)));
        }
        return values;
    }

    private Optional<Record> record(JsonNode object, String fallbackId) {
        String id = id(object.get("id"), fallbackId);
        String subject = string(object, "subject");
        String text = string(object, "text");
        String prompt = string(object, "prompt");
        String completion = string(object, "completion");
        if (!failed) {
            checkCombination(text, prompt, completion);
        }
        return failed ? Optional.empty() : Optional.of(new Record(id, subject, prompt, text == null ? completion : text));
    }

    private void checkCombination(String text, String prompt, String completion) {
        if (text != null && (prompt != null || completion != null)) {
            fail("has text and also prompt or completion; give text alone, or prompt and completion");
        } else if (text == null && prompt == null && completion == null) {
            fail("no text; give \"text\", or \"prompt\" and \"completion\"");
        } else if (text == null && completion == null) {
            fail("has a prompt but no completion");
        } else if (text == null && prompt == null) {
            fail("has a completion but no prompt; call it \"text\" when there is no prompt");
        }
    }

    private String id(JsonNode node, String fallback) {
        if (node == null || node.isNull()) {
            return fallback;
        }
        if (node.isNumber()) {
            if (!node.isIntegralNumber()) {
                fail("\"id\" is a number with a point or an exponent; write a whole number such as 1, or a string");
            }
            return node.asString();
        }
        return checked("id", node);
    }

    private String string(JsonNode object, String key) {
        JsonNode node = object.get(key);
        return node == null || node.isNull() ? null : checked(key, node);
    }

    private String checked(String key, JsonNode node) {
        if (!node.isString()) {
            fail("\"" + key + "\" is " + name(node) + ", must be a string");
            return null;
        }
        String value = node.stringValue();
        if (value.isBlank()) {
            fail("\"" + key + "\" is empty");
        } else if (unpairedSurrogate(value)) {
            fail("\"" + key + "\" has half a surrogate pair (\\ud800 to \\udfff on its own), which is not text");
        }
        return value;
    }

    private static boolean unpairedSurrogate(String value) {
        return value.codePoints().anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE);
    }

    private void fail(String what) {
        failed = true;
        problems.add(place + ": " + what);
    }

    /** What is wrong with a line that does not parse. Of the parser's words only the token and the column are used. */
    private static String broken(String line, JacksonException e, String form) {
        int column = e.getLocation() == null ? 0 : e.getLocation().getColumnNr();
        Matcher quoted = QUOTED.matcher(String.valueOf(e.getOriginalMessage()));
        String token = quoted.find() ? quoted.group(1) : "";
        if (e instanceof UnexpectedEndOfInputException) {
            return line.stripLeading().startsWith("[")
                    ? "the line only begins an array; a line is " + form + "; make lines of one large array with: jq -c '.[]'"
                    : "broken JSON: the line ends before its object does; a record is one whole line";
        } else if (token.matches("NaN|[-+]?Inf(inity)?")) {
            return "broken JSON: " + token + " is no JSON value, write null (column " + column + ")";
        } else if (e instanceof MismatchedInputException) {
            return "broken JSON: more stands behind the first value (column " + column + "); a line is one object";
        } else if (e.getOriginalMessage().startsWith("Duplicate")) {
            return "broken JSON: the key \"" + token + "\" is there twice (column " + column + ")";
        }
        boolean inside = column >= 1 && column <= line.length();
        return "broken JSON: "
                + (inside ? unexpected(line.codePointAt(column - 1)) + " (column " + column + ")" : "not readable");
    }

    private static String unexpected(int c) {
        return Character.isISOControl(c)
                ? String.format(Locale.ROOT, "unexpected control character \\u%04x, in a text write it so", c)
                : "unexpected " + Character.toString(c);
    }

    private static String name(JsonNode node) {
        JsonNodeType type = node.getNodeType();
        return switch (type) {
            case ARRAY -> "an array";
            case OBJECT -> "an object";
            case NUMBER -> "a number";
            case BOOLEAN -> "a boolean";
            case STRING -> "a string";
            case NULL -> "null";
            default -> "nothing";
        };
    }
}
