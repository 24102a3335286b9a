package dev.lethe.model;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.Dtype;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Writes a model's parameters as one F32 safetensors file, byte for byte as transformers' save_pretrained does for the
 * same weights: names in order with their prefix, a tied head left out, header padded to 8 bytes.
 * Streams tensor by tensor; forces nothing to disk.
 */
final class SafetensorsWriter {
    private SafetensorsWriter() {
    }

    static void write(LanguageModel model, ModelType type, FileChannel channel) throws IOException {
        List<TensorInfo> tensors = new ArrayList<>(model.tensors());
        tensors.sort(Comparator.comparing(info -> type.written(info.name())));
        byte[] header = header(tensors, type);
        ByteBuffer length = ByteBuffer.allocate(Safetensors.LENGTH_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        writeFully(channel, length.putLong(header.length).flip());
        writeFully(channel, ByteBuffer.wrap(header));
        for (TensorInfo info : tensors) {
            model.buffer(Buffer.PARAMETERS).store(info, Dtype.F32, channel);
        }
    }

    private static byte[] header(List<TensorInfo> tensors, ModelType type) {
        StringBuilder json = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        long begin = 0;
        for (TensorInfo info : tensors) {
            long end = begin + info.count() * Float.BYTES;
            String shape = Arrays.toString(info.shape()).replace(" ", "");
            json.append(",\"").append(type.written(info.name())).append("\":{\"dtype\":\"F32\",\"shape\":")
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
