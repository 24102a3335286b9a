package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.SiteSet;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Numbers in and out of flat buffers: arrays over several staging blocks, files, dtypes, vectors, seeds. */
@ExtendWith(NoLeaks.class)
class FlatMemoryTest {
    private static final ModelShape WIDE = new ModelShape(5003, 16, 64, 2, 1, 256, 1e-5, true); // over 1 MiB in fp32

    @TempDir
    Path folder;
    private Engine engine;
    private LanguageModel model;
    private int size;

    @BeforeEach
    void open() {
        engine = Engine.cpu();
        model = engine.model(WIDE, Dtype.F32);
        size = (int) model.flatSize();
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    @Test
    void seedsGiveTheSameNumbersAndOthersDoNot() {
        assertArrayEquals(new float[size], parameters(), "zero before");
        model.initialize(7);
        float[] first = parameters();
        model.initialize(8);
        assertFalse(Arrays.equals(first, parameters()));
        model.initialize(7);
        assertArrayEquals(first, parameters());
        TensorInfo wte = model.tensors().getFirst();
        double square = 0;
        for (int i = 0; i < wte.count(); i++) {
            square += first[i] * first[i];
        }
        assertEquals(0.02, Math.sqrt(square / wte.count()), 2e-4, "GPT-2's deviation");
    }

    @Test
    void arraysGoInAndComeBack() {
        float[] values = new float[size - 5];
        for (int i = 0; i < values.length; i++) {
            values[i] = i * 0.5f;
        }
        model.buffer(Buffer.GRADIENT).writeFloats(5, values);
        assertArrayEquals(values, model.buffer(Buffer.GRADIENT).readFloats(5, values.length));
        assertEquals(values[size - 6], model.buffer(Buffer.GRADIENT).readDoubles(size - 1, 1)[0]);
        model.buffer(Buffer.MOMENT2).writeDoubles(5, model.buffer(Buffer.GRADIENT).readDoubles(5, values.length));
        assertArrayEquals(values, model.buffer(Buffer.MOMENT2).readFloats(5, values.length));
    }

    @Test
    void aBufferSurvivesAFile() throws IOException {
        model.initialize(7);
        float[] before = parameters();
        Path file = folder.resolve("flat.bin");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[3])); // so that what follows is not aligned
            model.buffer(Buffer.PARAMETERS).store(channel);
        }
        assertEquals(3 + size * 4L, Files.size(file));
        model.initialize(8);
        try (MappedFile mapped = MappedFile.open(file)) {
            model.buffer(Buffer.PARAMETERS).restore(mapped, 3);
            assertArrayEquals(before, parameters());
            IndexOutOfBoundsException e = assertThrows(IndexOutOfBoundsException.class,
                    () -> model.buffer(Buffer.PARAMETERS).restore(mapped, 4));
            assertEquals(file + ": bytes 4 to 4 + " + size * 4L + " are outside the file of " + (3 + size * 4L),
                    e.getMessage());
        }
    }

    @Test
    void tensorsGoThroughEveryDtype() throws IOException {
        TensorInfo tensor = model.tensors().get(1);
        float[] exact = new float[(int) tensor.count()];
        for (int i = 0; i < exact.length; i++) {
            exact[i] = (i % 65 - 32) / 8f; // seven bits: exact in every dtype
        }
        for (Dtype dtype : Dtype.values()) {
            model.buffer(Buffer.PARAMETERS).writeFloats(tensor.offset(), exact);
            Path file = folder.resolve(dtype + ".bin");
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                model.buffer(Buffer.PARAMETERS).store(tensor, dtype, channel);
            }
            assertEquals(tensor.count() * dtype.bytes(), Files.size(file));
            model.buffer(Buffer.PARAMETERS).writeFloats(tensor.offset(), new float[exact.length]);
            try (MappedFile mapped = MappedFile.open(file)) {
                model.buffer(Buffer.PARAMETERS).load(tensor, dtype, mapped, 0);
            }
            assertArrayEquals(exact, model.buffer(Buffer.PARAMETERS).readFloats(tensor.offset(), exact.length), dtype.name());
        }
        assertEquals(-4f, ByteBuffer.wrap(Files.readAllBytes(folder.resolve("F32.bin"))).order(ByteOrder.LITTLE_ENDIAN)
                .getFloat());
    }

    @Test
    void vectors() {
        model.initialize(7);
        SiteSet mlp = model.sites("mlp");
        try (ParameterVector a = model.buffer(Buffer.PARAMETERS).copy(); ParameterVector b = model.vector()) {
            assertEquals(0, b.norm());
            b.axpy(3, a);
            assertEquals(3 * a.norm() * a.norm(), a.dot(b), 1e-5 * a.dot(b));
            assertEquals(3 * a.dot(a, mlp), a.dot(b, mlp), 1e-5 * a.dot(b, mlp));
            b.writeFloats(0, new float[] {Float.NaN});
            b.scale(0);
            assertEquals(0, b.norm(), "zero clears NaN");
            model.buffer(Buffer.PARAMETERS).axpy(-1, a, model.sites("all"));
            assertArrayEquals(new float[size], parameters());
            model.buffer(Buffer.PARAMETERS).assign(a);
            b.assign(model.buffer(Buffer.PARAMETERS));
            assertEquals(a.norm(), b.norm());
            model.buffer(Buffer.PARAMETERS).axpy(-1, a, mlp);
            for (TensorInfo tensor : model.tensors()) {
                float first = model.buffer(Buffer.PARAMETERS).readFloats(tensor.offset() + tensor.count() - 1, 1)[0];
                assertEquals(mlp.contains(tensor.site()) ? 0 : a.readFloats(tensor.offset() + tensor.count() - 1, 1)[0],
                        first, tensor.name());
            }
        }
    }

    @Test
    void filesThatCannotBeMapped() {
        assertEquals(folder + ": not a regular file",
                assertThrows(BadInputException.class, () -> MappedFile.open(folder)).getMessage());
        Path absent = folder.resolve("absent");
        assertEquals(absent + ": no such file",
                assertThrows(BadInputException.class, () -> MappedFile.open(absent)).getMessage());
    }

    @Test
    void filesOverTwoGibibytes() throws IOException {
        Path file = folder.resolve("sparse.bin");
        long far = 5L << 30;
        TensorInfo tensor = model.tensors().get(1);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            model.initialize(7);
            channel.position(far);
            model.buffer(Buffer.PARAMETERS).store(tensor, Dtype.F32, channel);
        }
        float[] expected = model.buffer(Buffer.PARAMETERS).readFloats(tensor.offset(), (int) tensor.count());
        model.initialize(8);
        try (MappedFile mapped = MappedFile.open(file)) {
            assertEquals(far + tensor.count() * Float.BYTES, mapped.size());
            model.buffer(Buffer.PARAMETERS).load(tensor, Dtype.F32, mapped, far);
            assertArrayEquals(new byte[8], mapped.bytes(far - 8, 8));
            assertThrows(IndexOutOfBoundsException.class, () -> mapped.bytes(mapped.size() - 7, 8));
        }
        assertArrayEquals(expected, model.buffer(Buffer.PARAMETERS).readFloats(tensor.offset(), expected.length));
    }

    private float[] parameters() {
        return model.buffer(Buffer.PARAMETERS).readFloats(0, size);
    }
}
