package dev.lethe.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** A model folder's one weight file as two, every second tensor in each, with the index that transformers writes. */
final class Shards {
    private static final JsonMapper JSON = JsonMapper.shared();

    private Shards() { }

    static void write(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(file -> !file.toString().endsWith(".safetensors")).toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
        byte[] bytes = Files.readAllBytes(from.resolve("model.safetensors"));
        ByteBuffer whole = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int head = 8 + Math.toIntExact(whole.getLong(0));
        JsonNode header = JSON.readTree(new String(whole.array(), 8, head - 8, StandardCharsets.UTF_8));
        List<Map.Entry<String, JsonNode>> tensors = header.properties().stream()
                .filter(entry -> !entry.getKey().equals("__metadata__")).toList();
        ObjectNode index = JSON.createObjectNode();
        index.putObject("metadata").put("total_size", whole.capacity() - head);
        ObjectNode map = index.putObject("weight_map");
        for (int shard = 0; shard < 2; shard++) {
            String name = "model-0000" + (shard + 1) + "-of-00002.safetensors";
            ObjectNode own = JSON.createObjectNode();
            ByteBuffer data = ByteBuffer.allocate(whole.capacity());
            for (int i = shard; i < tensors.size(); i += 2) {
                JsonNode offsets = tensors.get(i).getValue().get("data_offsets");
                int begin = offsets.get(0).asInt(), length = offsets.get(1).asInt() - begin, at = data.position();
                data.put(whole.array(), head + begin, length);
                own.set(tensors.get(i).getKey(), ((ObjectNode) tensors.get(i).getValue().deepCopy())
                        .set("data_offsets", JSON.createArrayNode().add(at).add(at + length)));
                map.put(tensors.get(i).getKey(), name);
            }
            byte[] json = JSON.writeValueAsBytes(own);
            Files.write(to.resolve(name), ByteBuffer.allocate(8 + json.length
                    + data.position()).order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(json.length).put(json).put(data.flip()).array());
        }
        Files.writeString(to.resolve("model.safetensors.index.json"), index.toString());
    }
}
