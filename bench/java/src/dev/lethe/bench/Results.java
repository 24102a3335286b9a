/* Named tensors for comparison with the Python side: fp32 numbers in one file, names and places in the reply. */
package dev.lethe.bench;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.ParameterVector;
import dev.lethe.shape.SiteSet;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

final class Results implements AutoCloseable {
    private static final int CHUNK = 1 << 22;

    private final FileChannel channel;
    private final List<Map<String, Object>> tensors = new ArrayList<>();
    private long written; // elements

    /** Elements {@code from} to {@code from + count} of some flat buffer. */
    private interface Source {
        float[] read(long from, int count);
    }

    Results(Path file) {
        try {
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE,
                    StandardOpenOption.TRUNCATE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** {name, offset, count} of each, in elements. */
    List<Map<String, Object>> tensors() {
        return tensors;
    }

    void add(String name, double... values) {
        float[] numbers = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            numbers[i] = (float) values[i];
        }
        add(name, values.length, (from, count) -> java.util.Arrays.copyOfRange(numbers, (int) from, (int) from + count));
    }

    void add(LanguageModel model, Buffer buffer) {
        for (TensorInfo tensor : model.tensors()) {
            add(tensor.name(), tensor.count(), (from, count) -> model.buffer(buffer).readFloats(tensor.offset() + from, count));
        }
    }

    /** The tensors of some sites (null: all), their names behind a prefix. */
    void add(LanguageModel model, ParameterVector vector, SiteSet sites, String prefix) {
        for (TensorInfo tensor : model.tensors()) {
            if (sites == null || sites.contains(tensor.site())) {
                add(prefix + tensor.name(), tensor.count(), (from, count) -> vector.readFloats(tensor.offset() + from, count));
            }
        }
    }

    private void add(String name, long count, Source source) {
        tensors.add(Map.of("name", name, "offset", written, "count", count));
        ByteBuffer bytes = ByteBuffer.allocateDirect(4 * (int) Math.min(count, CHUNK)).order(ByteOrder.LITTLE_ENDIAN);
        try {
            for (long from = 0; from < count; from += CHUNK) {
                int here = (int) Math.min(count - from, CHUNK);
                bytes.clear();
                bytes.asFloatBuffer().put(source.read(from, here));
                bytes.limit(4 * here);
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        written += count;
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
