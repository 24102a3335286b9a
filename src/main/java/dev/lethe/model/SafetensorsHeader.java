package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Problems;
import dev.lethe.model.Safetensors.Tensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;

/**
 * Parses and checks a safetensors header. The rules are those of the format: known dtypes, shape times element size equal
 * to the bytes given, and tensors that cover the data exactly, without holes or overlap. Streaming, because a header may
 * have 100 MB.
 */
final class SafetensorsHeader {
    /** Bits of an element. */
    private static final Map<String, Integer> BITS = Map.ofEntries(Map.entry("BOOL", 8), Map.entry("U8", 8),
            Map.entry("I8", 8), Map.entry("F8_E5M2", 8), Map.entry("F8_E4M3", 8), Map.entry("F8_E8M0", 8),
            Map.entry("F4", 4), Map.entry("F6_E2M3", 6), Map.entry("F6_E3M2", 6), Map.entry("I16", 16),
            Map.entry("U16", 16), Map.entry("F16", 16), Map.entry("BF16", 16), Map.entry("I32", 32),
            Map.entry("U32", 32), Map.entry("F32", 32), Map.entry("I64", 64), Map.entry("U64", 64),
            Map.entry("F64", 64), Map.entry("C64", 64));
    private static final int MOST_DIMENSIONS = 64;

    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final Problems problems = new Problems();
    private final long dataStart;
    private final long dataBytes;
    private JsonParser parser;

    private SafetensorsHeader(long dataStart, long dataBytes) {
        this.dataStart = dataStart;
        this.dataBytes = dataBytes;
    }

    /** @param header the JSON without its length; @param fileBytes size of the whole file; @param source for messages */
    static SafetensorsHeader parse(byte[] header, long fileBytes, Object source) {
        long start = Safetensors.LENGTH_BYTES + header.length;
        SafetensorsHeader parsed = new SafetensorsHeader(start, fileBytes - start);
        if (header.length == 0 || header[0] != '{') {
            throw new BadInputException(source + ": header does not begin with '{'; not a safetensors file");
        }
        try (JsonParser parser = Json.FACTORY.createParser(ObjectReadContext.empty(), Json.utf8(header))) {
            parsed.parser = parser;
            parsed.object();
        } catch (JacksonException e) {
            throw new BadInputException(source + ": header is not valid JSON: " + Json.reason(e), e);
        }
        parsed.checkCover();
        parsed.problems.throwIfAny(source);
        return parsed;
    }

    Map<String, Tensor> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    private void object() {
        parser.nextToken();
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            if (name.equals("__metadata__")) {
                metadata(value);
            } else if (value == JsonToken.START_OBJECT) {
                tensor(name);
            } else {
                problems.add("tensor " + name + ": not an object");
                parser.skipChildren();
            }
        }
        if (parser.nextToken() != null) {
            problems.add("header has something behind its closing brace");
        }
    }

    private void metadata(JsonToken value) {
        if (value != JsonToken.START_OBJECT) {
            problems.add("__metadata__ is not an object");
            parser.skipChildren();
            return;
        }
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = parser.currentName();
            if (parser.nextToken() == JsonToken.VALUE_STRING) {
                metadata.put(key, parser.getString());
            } else {
                problems.add("__metadata__ " + key + " is not a string");
                parser.skipChildren();
            }
        }
    }

    private void tensor(String name) {
        String type = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String key = parser.currentName();
            JsonToken value = parser.nextToken();
            if (key.equals("dtype") && value == JsonToken.VALUE_STRING) {
                type = parser.getString();
            } else if (key.equals("shape") && value == JsonToken.START_ARRAY) {
                shape = sizes();
            } else if (key.equals("data_offsets") && value == JsonToken.START_ARRAY) {
                offsets = sizes();
            } else {
                parser.skipChildren();
            }
        }
        if (type == null || shape == null || offsets == null || offsets.size() != 2) {
            problems.add("tensor " + name + ": needs dtype, shape and two data_offsets, all whole numbers from 0");
        } else {
            add(name, type, shape, offsets.get(0), offsets.get(1));
        }
    }

    private void add(String name, String type, List<Long> shape, long begin, long end) {
        Integer bits = BITS.get(type);
        if (bits == null) {
            problems.add("tensor " + name + ": unknown dtype " + type);
        } else if (begin > end || end > dataBytes) {
            problems.add("tensor " + name + ": data_offsets " + begin + " to " + end + " are not within the "
                    + dataBytes + " bytes of data");
        } else if (bytes(shape, bits) != end - begin) {
            problems.add("tensor " + name + ": shape " + shape + " of " + type + " does not need the " + (end - begin)
                    + " bytes of its data_offsets");
        } else {
            tensors.put(name, new Tensor(name, type, List.copyOf(shape), dataStart + begin, dataStart + end));
        }
    }

    /** Bytes of a shape; -1 when they are no whole number or overflow. */
    private static long bytes(List<Long> shape, int bits) {
        try {
            long count = 1;
            for (long size : shape) {
                count = Math.multiplyExact(count, size);
            }
            long total = Math.multiplyExact(count, (long) bits);
            return total % 8 == 0 ? total / 8 : -1;
        } catch (ArithmeticException e) {
            return -1;
        }
    }

    /** The array's numbers, or null when one is not a whole number from 0 to 2^63 - 1 or there are too many. */
    private List<Long> sizes() {
        List<Long> sizes = new ArrayList<>();
        boolean good = true;
        for (JsonToken t = parser.nextToken(); t != JsonToken.END_ARRAY && t != null; t = parser.nextToken()) {
            boolean whole = t == JsonToken.VALUE_NUMBER_INT && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
            if (whole && parser.getLongValue() >= 0 && sizes.size() < MOST_DIMENSIONS) {
                sizes.add(parser.getLongValue());
            } else {
                good = false;
                parser.skipChildren();
            }
        }
        return good ? sizes : null;
    }

    private void checkCover() {
        if (!problems.isEmpty()) {
            return; // tensors left out above would show as holes
        }
        List<Tensor> ordered = new ArrayList<>(tensors.values());
        ordered.sort(Comparator.comparingLong(Tensor::begin).thenComparingLong(Tensor::end));
        long covered = dataStart;
        String last = "the header";
        for (Tensor tensor : ordered) {
            if (tensor.begin() < covered) {
                problems.add("tensor " + tensor.name() + " overlaps " + last);
            } else if (tensor.begin() > covered) {
                problems.add("hole of " + (tensor.begin() - covered) + " bytes between " + last + " and " + tensor.name());
            }
            covered = Math.max(covered, tensor.end());
            last = "tensor " + tensor.name();
        }
        if (covered < dataStart + dataBytes) {
            problems.add((dataStart + dataBytes - covered) + " bytes behind " + last + " belong to no tensor");
        }
    }
}
