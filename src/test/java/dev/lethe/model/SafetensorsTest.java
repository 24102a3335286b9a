package dev.lethe.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The safetensors reader: what a good file says, and the exact words for every kind of bad one. */
class SafetensorsTest {
    @TempDir
    Path folder;

    @Test
    void readsTensorsAndMetadata() throws IOException {
        Path file = file("{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
                + "\"a\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[0,8],\"more\":[1]}}  ", 16);
        try (Safetensors open = Safetensors.open(file)) {
            long start = Files.size(file) - 16;
            assertEquals(Map.of("format", "pt"), open.metadata());
            assertEquals(new Safetensors.Tensor("a", "BF16", List.of(2L, 2L), start, start + 8), open.tensors().get("a"));
            assertEquals(Optional.of(Dtype.BF16), open.tensors().get("a").dtype());
            assertEquals(Optional.empty(), open.tensors().get("b").dtype());
            assertEquals(1, open.tensors().get("b").count());
        }
    }

    @Test
    void emptyAndShortFiles() throws IOException {
        assertEquals("empty file; not a safetensors file, or its copy was cut short", failure(new byte[0]));
        assertEquals("only 5 bytes; not a safetensors file, or its copy was cut short", failure(new byte[5]));
        Path absent = folder.resolve("absent");
        assertTrue(assertThrows(BadInputException.class, () -> Safetensors.open(absent)).getMessage().startsWith(absent + ": no such file"));
    }

    @Test
    void wrongHeaderLength() throws IOException {
        assertEquals("header length 0 is not between 2 and 100000000; not a safetensors file", failure(length(0)));
        assertEquals("header length 100000001 is not between 2 and 100000000; not a safetensors file",
                failure(length(100_000_001)));
        assertEquals("header length 18446744073709551615 is not between 2 and 100000000; not a safetensors file",
                failure(length(-1)));
        assertEquals("header length 3 is more than the 2 bytes that follow; the file was cut short", failure(length(3)));
    }

    @Test
    void brokenHeader() throws IOException {
        assertEquals("header does not begin with '{'; not a safetensors file", failure("[]", 0));
        assertTrue(failure("{\"a\":", 0).startsWith("header is not valid JSON: "));
        assertEquals("header has something behind its closing brace", failure("{} {}", 0));
        assertEquals("header is not valid JSON: invalid UTF-8", failure(new byte[] {4, 0, 0, 0, 0, 0, 0, 0, '{', '"', (byte) 0xFF, '"'}));
        String twice = "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{}}";
        assertTrue(failure(twice, 0).contains("uplicate"), failure(twice, 0));
    }

    @Test
    void listsEveryBadTensor() throws IOException {
        String message = failure("{\"__metadata__\":{\"k\":1},"
                + "\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]},"
                + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
                + "\"c\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]},"
                + "\"d\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,8]},"
                + "\"e\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]},"
                + "\"f\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]},"
                + "\"g\":3}", 8);
        assertEquals(List.of("8 problems",
                "  __metadata__ k is not a string",
                "  tensor a: unknown dtype F99",
                "  tensor b: data_offsets 8 to 12 are not within the 8 bytes of data",
                "  tensor c: shape [3] of F32 does not need the 8 bytes of its data_offsets",
                "  tensor d: needs dtype, shape and two data_offsets, all whole numbers from 0",
                "  tensor e: shape [4611686018427387904, 4] of F32 does not need the 0 bytes of its data_offsets",
                "  tensor f: data_offsets 4 to 0 are not within the 8 bytes of data",
                "  tensor g: not an object"), message.lines().toList());
    }

    @Test
    void overlapHoleAndRest() throws IOException {
        assertEquals("tensor b overlaps tensor a", failure(two(0, 8, 4, 12), 12));
        assertEquals("hole of 4 bytes between tensor a and b", failure(two(0, 8, 12, 20), 20));
        assertEquals("hole of 4 bytes between the header and a", failure(two(4, 12, 12, 20), 20));
        assertEquals("3 bytes behind tensor b belong to no tensor", failure(two(0, 8, 8, 16), 19));
    }

    private static String two(int a, int b, int c, int d) {
        return "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[%d,%d]},".formatted(a, b)
                + "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[%d,%d]}}".formatted(c, d);
    }

    private static byte[] length(long length) {
        return ByteBuffer.allocate(10).order(ByteOrder.LITTLE_ENDIAN).putLong(length).put((byte) '{').put((byte) '}').array();
    }

    private Path file(String header, int dataBytes) throws IOException {
        return Files.write(folder.resolve("m.safetensors"), SafetensorsFile.raw(header, new byte[dataBytes]));
    }

    private String failure(String header, int dataBytes) throws IOException {
        return failure(SafetensorsFile.raw(header, new byte[dataBytes]));
    }

    /** The message without the file's name. */
    private String failure(byte[] content) throws IOException {
        Path file = Files.write(folder.resolve("bad.safetensors"), Arrays.copyOf(content, content.length));
        String message = assertThrows(BadInputException.class, () -> Safetensors.open(file).close()).getMessage();
        assertTrue(message.startsWith(file + ": "), message);
        return message.substring((file + ": ").length());
    }
}
