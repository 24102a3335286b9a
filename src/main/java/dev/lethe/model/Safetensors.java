package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.MappedFile;
import dev.lethe.shape.Dtype;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A safetensors file, mapped: an 8-byte little-endian header length, a JSON header naming each tensor's dtype, shape and
 * place, then the bytes. The header is checked whole before a tensor is handed out, so that every {@link Tensor} lies
 * inside the file, has the bytes its shape needs, and shares none of them. Readable from any thread until closed.
 */
public final class Safetensors implements AutoCloseable {
    /** The limit of the reference implementation; a longer header is an attack or garbage. */
    static final long LONGEST_HEADER = 100_000_000;

    static final int LENGTH_BYTES = 8;

    private final MappedFile file;
    private final Map<String, Tensor> tensors;
    private final Map<String, String> metadata;

    private Safetensors(MappedFile file, SafetensorsHeader header) {
        this.file = file;
        this.tensors = header.tensors();
        this.metadata = header.metadata();
    }

    /**
     * One tensor's place.
     *
     * @param name  as the file has it
     * @param type  the format's own name of the element type: F32, BF16, BOOL, …
     * @param shape sizes, outermost first; empty for a scalar
     * @param begin first byte, counted from the start of the file
     * @param end   one behind its last byte
     */
    public record Tensor(String name, String type, List<Long> shape, long begin, long end) {
        /** The element type where the engine can read it, else empty. */
        public Optional<Dtype> dtype() {
            return switch (type) {
                case "F32" -> Optional.of(Dtype.F32);
                case "F64" -> Optional.of(Dtype.F64);
                case "F16" -> Optional.of(Dtype.F16);
                case "BF16" -> Optional.of(Dtype.BF16);
                default -> Optional.empty();
            };
        }

        /** Elements. */
        public long count() {
            return shape.stream().reduce(1L, (a, b) -> a * b);
        }
    }

    /** @throws BadInputException with every problem of the header */
    public static Safetensors open(Path path) {
        MappedFile file = MappedFile.open(path);
        try {
            return new Safetensors(file, header(file, path));
        } catch (Throwable e) {
            file.close();
            throw e;
        }
    }

    private static SafetensorsHeader header(MappedFile file, Path path) {
        if (file.size() < LENGTH_BYTES) {
            throw new BadInputException(path + ": " + (file.size() == 0 ? "empty file" : "only " + file.size() + " bytes")
                    + "; not a safetensors file, or its copy was cut short");
        }
        long length = ByteBuffer.wrap(file.bytes(0, LENGTH_BYTES)).order(ByteOrder.LITTLE_ENDIAN).getLong();
        if (length < 2 || length > LONGEST_HEADER) {
            throw new BadInputException(path + ": header length " + Long.toUnsignedString(length)
                    + " is not between 2 and " + LONGEST_HEADER + "; not a safetensors file");
        }
        if (length > file.size() - LENGTH_BYTES) {
            throw new BadInputException(path + ": header length " + length + " is more than the "
                    + (file.size() - LENGTH_BYTES) + " bytes that follow; the file was cut short");
        }
        return SafetensorsHeader.parse(file.bytes(LENGTH_BYTES, (int) length), file.size(), path);
    }

    /** By name, in the order of the header. */
    public Map<String, Tensor> tensors() {
        return tensors;
    }

    /** The header's {@code __metadata__}; empty when it has none. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** The mapped bytes; closed with this object. */
    public MappedFile file() {
        return file;
    }

    @Override
    public void close() {
        file.close();
    }
}
