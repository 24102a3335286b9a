package dev.lethe.data;

import dev.lethe.base.Problems;
import dev.lethe.data.PerturbedDataset.PerturbedRecord;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
 * One line of JSON Lines into a {@link TextRecord}: {@code {id?, subject?}} with {@code text}, with {@code prompt, completion},
 * with {@code question, answer} or with {@code messages}. Other keys are ignored, null counts as absent, a whole number is
 * taken as an id or subject. Everything wrong with a line goes to the problems as {@code file:line: what}.
 */
final class RecordParser {
    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    private static final Pattern QUOTED = Pattern.compile("[\"']([^\"']+)[\"']");

    private static final String FORMS = "{\"text\": …}, {\"prompt\": …, \"completion\": …}, {\"question\": …, \"answer\": …}"
            + " or {\"messages\": […]}";

    private final String place;
    private final DataForm form;
    private final Set<String> seen;
    private final Problems problems;
    private boolean failed;

    private RecordParser(String place, DataForm form, Set<String> seen, Problems problems) {
        this.place = place;
        this.form = form;
        this.seen = seen;
        this.problems = problems;
    }

    /**
     * @param place      {@code file:line}, for messages
     * @param fallbackId the id when the line has none
     * @param seen       gets the fields of id and subject that the line has
     */
    static Optional<TextRecord> parse(String line, String place, String fallbackId, DataForm form, Set<String> seen,
            Problems problems) {
        RecordParser parser = new RecordParser(place, form, seen, problems);
        return parser.object(line, FORMS).flatMap(object -> parser.record(object, fallbackId));
    }

    /** As {@link #parse} for {@code {id?, subject?, prompt, completion, paraphrase?, perturbed}}. */
    static Optional<PerturbedRecord> parsePerturbed(String line, String place, String fallbackId, boolean paraphrase,
            DataForm form, Problems problems) {
        return new RecordParser(place, form, new HashSet<>(), problems).perturbed(line, fallbackId, paraphrase);
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
        Optional<TextRecord> record = record(object, fallbackId);
        if (record.isPresent() && (record.get().prompt() == null
                || record.get().conversation() != null && !record.get().conversation().endsWithAnswer())) {
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

    private Optional<TextRecord> record(JsonNode object, String fallbackId) {
        String id = name(object, form.idField());
        id = id == null ? fallbackId : id;
        String subject = name(object, form.subjectField());
        if (object.hasNonNull("messages")) {
            if (object.hasNonNull(form.textField()) || object.hasNonNull("prompt") && object.hasNonNull("completion")) {
                fail("has messages and also " + (object.hasNonNull(form.textField()) ? form.textField()
                        : "prompt and completion") + "; give one of them");
            }
            List<Map<String, String>> messages = messages(object);
            return failed ? Optional.empty() : taught(form.record(id, subject, messages));
        }
        String text = string(object, form.textField());
        String prompt = string(object, "prompt");
        String completion = string(object, "completion");
        if (text == null && prompt == null && completion == null && !failed) {
            prompt = string(object, "question");
            completion = string(object, "answer");
            if (!failed && (prompt == null) != (completion == null)) {
                fail(prompt == null ? "has an answer but no question" : "has a question but no answer");
            }
        }
        if (!failed) {
            checkCombination(text, prompt, completion);
        }
        return failed ? Optional.empty() : Optional.of(form.record(id, subject, prompt, text == null ? completion : text));
    }

    private void checkCombination(String text, String prompt, String completion) {
        String name = form.textField();
        if (text != null && (prompt != null || completion != null)) {
            fail("has " + name + " and also prompt or completion; give " + name + " alone, or prompt and completion");
        } else if (text != null && form.chat()) {
            fail("has " + name + " alone, of which nobody can tell who says it; give messages, or do not read it as a chat");
        } else if (text == null && prompt == null && completion == null) {
            fail("no " + name + "; give \"" + name + "\", \"prompt\" and \"completion\", \"question\" and \"answer\", or"
                    + " \"messages\"");
        } else if (text == null && completion == null) {
            fail("has a prompt but no completion");
        } else if (text == null && prompt == null) {
            fail("has a completion but no prompt; call it \"" + name + "\" when there is no prompt");
        }
    }

    private Optional<TextRecord> taught(TextRecord record) {
        if (!record.conversation().teaches()) {
            fail("no message is the assistant's, so there is nothing to learn; take a loss of all messages, or give an answer");
            return Optional.empty();
        }
        return Optional.of(record);
    }

    private List<Map<String, String>> messages(JsonNode object) {
        JsonNode array = object.get("messages");
        if (!array.isArray() || array.isEmpty()) {
            fail("\"messages\" is " + (array.isArray() ? "an empty list" : name(array)) + ", must be a list of {\"role\": …,"
                    + " \"content\": …}");
            return List.of();
        }
        JsonNode tools = object.get("tools");
        if (tools != null && !tools.isNull() && !tools.isEmpty()) {
            fail("has \"tools\", which are not given to the chat template; take them out");
        }
        List<Map<String, String>> messages = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
            String key = "messages[" + i + "]";
            if (array.get(i).isObject()) {
                messages.add(message(key, array.get(i)));
            } else {
                fail("\"" + key + "\" is " + name(array.get(i)) + ", must be {\"role\": …, \"content\": …}");
            }
        }
        return messages;
    }

    private Map<String, String> message(String place, JsonNode object) {
        Map<String, String> message = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : object.properties()) {
            String key = place + "." + entry.getKey();
            JsonNode value = entry.getValue();
            if (value.isString()) {
                message.put(entry.getKey(), text(key, value.stringValue()));
            } else if (!value.isNull() && !(value.isArray() && value.isEmpty())) {
                fail("\"" + key + "\" is " + name(value) + "; messages are of texts alone, no parts, calls or weights");
            }
        }
        for (String key : List.of("role", "content")) {
            if (!object.hasNonNull(key)) {
                fail("\"" + place + "\" has no \"" + key + "\"");
            }
        }
        if ("".equals(message.get("role"))) {
            fail("\"" + place + ".role\" is empty");
        }
        return message;
    }

    /** A text or a whole number, null where there is none. */
    private String name(JsonNode object, String key) {
        JsonNode node = object.get(key);
        if (node == null || node.isNull()) {
            return null;
        }
        seen.add(key);
        if (node.isNumber()) {
            if (!node.isIntegralNumber()) {
                fail("\"" + key + "\" is a number with a point or an exponent; write a whole number such as 1, or a string");
            }
            return node.asString();
        }
        return checked(key, node);
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
            return value;
        }
        return text(key, value);
    }

    private String text(String key, String value) {
        if (unpairedSurrogate(value)) {
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
