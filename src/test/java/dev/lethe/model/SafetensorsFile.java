package dev.lethe.model;

import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.StringJoiner;

/** Builds safetensors files byte by byte for the tests: whole ones of a tiny GPT-2, and any header over any data. */
final class SafetensorsFile {
    static final ModelShape TINY = new ModelShape(11, 6, 4, 2, 1, 16, 1e-5, true);

    private final Map<String, List<Long>> shapes = new LinkedHashMap<>();
    private final Map<String, float[]> values = new LinkedHashMap<>();

    /** Every tensor of a shape under its plain name with a prefix before it, values N(0, 0.1) of a fixed seed. */
    static SafetensorsFile gpt2(ModelShape shape, String prefix) {
        SafetensorsFile file = new SafetensorsFile();
        Random random = new Random(3);
        new WeightCheck(null, ModelSettings.of(shape)).expected().forEach((name, sizes) -> {
            float[] numbers = new float[(int) sizes.stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b)];
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] = (float) (0.1 * random.nextGaussian());
            }
            file.put(name.equals("lm_head.weight") ? name : prefix + name, sizes, numbers);
        });
        return file;
    }

    SafetensorsFile put(String name, List<Long> shape, float... numbers) {
        shapes.put(name, shape);
        values.put(name, numbers);
        return this;
    }

    SafetensorsFile remove(String name) {
        shapes.remove(name);
        values.remove(name);
        return this;
    }

    float[] values(String name) {
        return values.get(name);
    }

    byte[] bytes(Dtype dtype) {
        StringJoiner header = new StringJoiner(",", "{", "}");
        long begin = 0;
        for (Map.Entry<String, List<Long>> tensor : shapes.entrySet()) {
            long end = begin + (long) values.get(tensor.getKey()).length * dtype.bytes();
            header.add("\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}".formatted(tensor.getKey(), dtype,
                    tensor.getValue(), begin, end));
            begin = end;
        }
        ByteBuffer data = ByteBuffer.allocate((int) begin).order(ByteOrder.LITTLE_ENDIAN);
        for (float[] numbers : values.values()) {
            for (float x : numbers) {
                switch (dtype) {
                    case F32 -> data.putFloat(x);
                    case F64 -> data.putDouble(x);
                    case F16 -> data.putShort(Float.floatToFloat16(x));
                    case BF16 -> data.putShort((short) (Float.floatToRawIntBits(x) >>> 16));
                }
            }
        }
        return raw(header.toString(), data.array());
    }

    Path write(Path file) throws IOException {
        return Files.write(file, bytes(Dtype.F32));
    }

    /** A file with this header text and data, whatever they are. */
    static byte[] raw(String header, byte[] data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + json.length + data.length).order(ByteOrder.LITTLE_ENDIAN).putLong(json.length)
                .put(json).put(data).array();
    }
}
