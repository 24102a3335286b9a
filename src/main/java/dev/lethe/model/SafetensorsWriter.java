package dev.lethe.model;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Writes a model's tensors as one safetensors file, byte for byte as transformers' save_pretrained does for the same weights:
 * names in order with their prefix, wider types first, a tied head left out, header padded to 8 bytes. Streams tensor by
 * tensor; forces nothing to disk.
 */
final class SafetensorsWriter {
    private SafetensorsWriter() {
    }

    /** A tensor under its name in the file, and how its numbers get there. */
    private record Part(String name, TensorInfo info, Dtype dtype, Source source) { }

    private interface Source {
        void store(TensorInfo info, Dtype dtype, FileChannel channel) throws IOException;
    }

    /** All parameters in F32. */
    static void write(LanguageModel model, ModelType type, FileChannel channel) throws IOException {
        write(parts(model.tensors(), type::written, _ -> Dtype.F32, model.buffer(Buffer.PARAMETERS)::store), Map.of(), channel);
    }

    /** The adapters in F32 as peft does, and the hash of their base in the metadata. */
    static void writeAdapters(LanguageModel model, ModelType type, FileChannel channel) throws IOException {
        write(parts(model.tensors(), name -> AdapterFolder.written(type, name), _ -> Dtype.F32,
                model.buffer(Buffer.PARAMETERS)::store), Map.of(AdapterFolder.BASE_HASH, model.base().files().sha256()), channel);
    }

    /** The base with the adapters put in, each tensor in the type that {@code dtypes} gives for its name. */
    static void writeMerged(LanguageModel model, ModelType type, Map<String, Dtype> dtypes, FileChannel channel) throws IOException {
        write(parts(model.frozen(), type::written, dtypes::get, model::storeMerged), Map.of(), channel);
    }

    private static List<Part> parts(List<TensorInfo> tensors, Function<String, String> written, Function<String, Dtype> dtype,
                                    Source source) {
        return tensors.stream().map(info -> new Part(written.apply(info.name()), info, dtype.apply(info.name()), source))
                .sorted(Comparator.comparing((Part part) -> -part.dtype.bytes()).thenComparing(Part::name)).toList();
    }

    private static void write(List<Part> parts, Map<String, String> metadata, FileChannel channel) throws IOException {
        byte[] header = header(parts, metadata);
        ByteBuffer length = ByteBuffer.allocate(Safetensors.LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        writeFully(channel, length.putLong(header.length).flip());
        writeFully(channel, ByteBuffer.wrap(header));
        for (Part part : parts) {
            part.source.store(part.info, part.dtype, channel);
        }
    }

    private static byte[] header(List<Part> parts, Map<String, String> metadata) {
        List<String> notes = new ArrayList<>(List.of("\"format\":\"pt\""));
        metadata.forEach((key, value) -> notes.add("\"" + key + "\":\"" + value + "\""));
        StringBuilder json = new StringBuilder("{\"__metadata__\":{" + String.join(",", notes) + "}");
        long begin = 0;
        for (Part part : parts) {
            long end = begin + part.info.count() * part.dtype.bytes();
            String shape = Arrays.toString(part.info.shape()).replace(" ", "");
            json.append(",\"").append(part.name).append("\":{\"dtype\":\"").append(part.dtype).append("\",\"shape\":")
                    .append(shape).append(",\"data_offsets\":[").append(begin).append(',').append(end).append("]}");
            begin = end;
        }
        json.append('}');
        while (json.length() % Safetensors.LENGTH_BYTES != 0) {
            json.append(' ');
        }
        return json.toString().getBytes(StandardCharsets.US_ASCII);
    }

    private static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
