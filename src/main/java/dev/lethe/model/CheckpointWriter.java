package dev.lethe.model;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Writes a checkpoint folder so that no reader ever sees half of one. Everything goes to a staging folder first and is
 * forced to disk; then a new folder appears by one rename, or, where the folder exists, each file replaces its old one,
 * the weights last.
 */
final class CheckpointWriter {
    private CheckpointWriter() {
    }

    private static final List<String> WEIGHTS = List.of(WeightFiles.SINGLE, AdapterFolder.WEIGHTS);

    /** A writer of everything but the tokenizer. */
    private interface Content {
        void write(Path staging) throws IOException;
    }

    static void write(LanguageModel model, ModelSettings config, Path folder, Path tokenizerFrom) {
        requireSame(model, config);
        write(config, folder, tokenizerFrom, staging -> {
            if (config.adapter() == null) {
                weights(staging, WeightFiles.SINGLE, channel -> SafetensorsWriter.write(model, config.type(), channel));
                PrivateFiles.write(staging.resolve(Checkpoint.CONFIG), config.toJson());
            } else {
                weights(staging, AdapterFolder.WEIGHTS, channel -> SafetensorsWriter.writeAdapters(model, config.type(), channel));
                PrivateFiles.write(staging.resolve(AdapterConfig.FILE),
                        config.adapter().withBase(model.base().files().folder()).toJson());
            }
        });
    }

    static void merge(LanguageModel model, ModelSettings config, Path folder, Path tokenizerFrom, Dtype dtype) {
        requireSame(model, config);
        List<TensorInfo> tensors = ModelLayout.of(config.withoutAdapter().shape()).tensors(); // as the base's files are listed
        Map<String, Dtype> dtypes = new HashMap<>();
        for (int i = 0; i < tensors.size(); i++) {
            dtypes.put(tensors.get(i).name(), dtype == null ? model.base().files().places().get(i).dtype() : dtype);
        }
        String name = switch (dtypes.get(tensors.getFirst().name())) {
            case BF16 -> "bfloat16";
            case F16 -> "float16";
            default -> "float32";
        };
        write(config, folder, tokenizerFrom, staging -> {
            weights(staging, WeightFiles.SINGLE, channel -> SafetensorsWriter.writeMerged(model, config.type(), dtypes, channel));
            PrivateFiles.write(staging.resolve(Checkpoint.CONFIG), config.toJson(name));
        });
    }

    private static void requireSame(LanguageModel model, ModelSettings config) {
        if (!config.shape().equals(model.shape())) {
            throw new IllegalArgumentException("config of " + config.shape() + " for a model of " + model.shape());
        }
    }

    private static void write(ModelSettings config, Path folder, Path tokenizerFrom, Content content) {
        Path target = folder.toAbsolutePath().normalize();
        boolean replaces = Files.exists(target);
        Path staging = null;
        try {
            Path parent = replaces ? target : target.getParent();
            PrivateFiles.makeFolder(parent);
            staging = PrivateFiles.partFolder(parent.resolve(target.getFileName()));
            content.write(staging);
            tokenizer(staging, config, tokenizerFrom);
            PrivateFiles.syncFolder(staging);
            publish(staging, target, replaces);
        } catch (IOException | UncheckedIOException e) {
            throw new BadInputException(folder + ": the model cannot be written (" + Reason.of(e, target)
                    + "); choose another folder or free space", e);
        } finally {
            delete(staging);
        }
    }

    private interface Weights {
        void write(FileChannel channel) throws IOException;
    }

    private static void weights(Path staging, String name, Weights weights) throws IOException {
        try (FileChannel channel = PrivateFiles.create(staging.resolve(name))) {
            weights.write(channel);
        }
        PrivateFiles.sync(staging.resolve(name));
    }

    private static void tokenizer(Path staging, ModelSettings config, Path tokenizerFrom) throws IOException {
        boolean kept = tokenizerFrom != null && TokenizerFiles.copy(tokenizerFrom, staging);
        if (!kept && config.shape().vocabulary() == ModelShape.GPT2_VOCABULARY) {
            Gpt2Vocabulary.write(staging);
        }
    }

    private static void publish(Path staging, Path target, boolean replaces) throws IOException {
        if (!replaces) {
            PrivateFiles.replace(staging, target);
            return;
        }
        for (Path file : list(staging)) {
            PrivateFiles.replace(file, target.resolve(file.getFileName()));
        }
    }

    /** Weights last: a checkpoint is new when its weights are. */
    private static List<Path> list(Path folder) throws IOException {
        return Io.list(folder).stream().sorted(Comparator.comparing(file -> WEIGHTS.contains(file.getFileName().toString()))).toList();
    }

    private static void delete(Path staging) {
        try {
            if (staging != null) {
                PrivateFiles.deleteTree(staging);
            }
        } catch (IOException e) {
            System.getLogger("dev.lethe.model").log(System.Logger.Level.WARNING, "left behind " + staging, e);
        }
    }

    /**
     * Writes a model's tensors as one safetensors file, byte for byte as transformers' save_pretrained does for the same weights:
     * names in order with their prefix, wider types first, a tied head left out, header padded to 8 bytes. Streams tensor by
     * tensor; forces nothing to disk.
     */
    static final class SafetensorsWriter {
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
}
