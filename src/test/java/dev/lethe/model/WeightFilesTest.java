package dev.lethe.model;

import static dev.lethe.model.SafetensorsFile.TINY;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which tensors a folder holds and whether they are the model's: names, shapes, shards, masks, tied heads, NaN. */
class WeightFilesTest {
    @TempDir
    Path folder;

    @Test
    void acceptsPrefixMasksAndEqualHead() throws IOException {
        for (String prefix : List.of("", "transformer.")) {
            SafetensorsFile file = SafetensorsFile.gpt2(TINY, prefix);
            file.put("lm_head.weight", List.of(11L, 4L), file.values(prefix + "wte.weight"));
            file.put(prefix + "h.0.attn.bias", List.of(1L, 1L, 2L, 2L), 1, 0, 1, 1);
            file.put(prefix + "h.0.attn.masked_bias", List.of(), -1e4f);
            file.write(folder.resolve("model.safetensors"));
            check(TINY);
        }
        assertTrue(Checkpoint.isCheckpoint(folder));
        assertFalse(Checkpoint.isCheckpoint(folder.resolve("no")));
    }

    @Test
    void listsMissingExtraAndMisShaped() throws IOException {
        SafetensorsFile file = SafetensorsFile.gpt2(TINY, "transformer.");
        file.remove("transformer.wpe.weight").remove("transformer.h.0.ln_1.bias");
        file.put("transformer.h.0.attn.c_attn.weight", List.of(12L, 4L), new float[48]);
        file.put("transformer.h.1.ln_1.weight", List.of(4L), 1, 1, 1, 1);
        file.put("score.weight", List.of(1L), 1);
        file.write(folder.resolve("model.safetensors"));
        assertEquals(List.of(": 5 problems",
                "  missing tensor wpe.weight [6, 4]",
                "  missing tensor h.0.ln_1.bias [4]",
                "  tensor transformer.h.0.attn.c_attn.weight is [12, 4], config.json makes it [4, 12]",
                "  extra tensor transformer.h.1.ln_1.weight [4], which a gpt2 of 1 layers does not have",
                "  extra tensor score.weight [1], which a gpt2 of 1 layers does not have"),
                failure(TINY).lines().toList());
    }

    @Test
    void namesTensorsThatAreNotFinite() throws IOException {
        SafetensorsFile file = SafetensorsFile.gpt2(TINY, "");
        file.values("wte.weight")[5] = Float.NaN;
        file.values("ln_f.bias")[0] = Float.NEGATIVE_INFINITY;
        for (Dtype dtype : Dtype.values()) {
            Files.write(folder.resolve("model.safetensors"), file.bytes(dtype));
            assertEquals(List.of(": 2 problems", "  tensor wte.weight holds NaN or infinity, first at element 5",
                    "  tensor ln_f.bias holds NaN or infinity, first at element 0"), failure(TINY).lines().toList(), dtype.name());
        }
    }

    @Test
    void tiedAndUntiedHeads() throws IOException {
        SafetensorsFile file = SafetensorsFile.gpt2(TINY, "transformer.");
        file.put("lm_head.weight", List.of(11L, 4L), new float[44]).write(folder.resolve("model.safetensors"));
        assertEquals(": lm_head.weight differs from wte.weight although tie_word_embeddings is true; set "
                + "\"tie_word_embeddings\": false in config.json if the head is meant to be its own, or drop lm_head.weight",
                failure(TINY));
        ModelShape untied = new ModelShape(11, 6, 4, 2, 1, 16, 1e-5, false);
        check(untied);
        file.remove("lm_head.weight").write(folder.resolve("model.safetensors"));
        assertEquals(": missing tensor lm_head.weight [11, 4]; config.json has tie_word_embeddings false, so the head is a "
                + "tensor of its own", failure(untied));
    }

    @Test
    void sameTensorTwice() throws IOException {
        SafetensorsFile.gpt2(TINY, "transformer.").put("wpe.weight", List.of(6L, 4L), new float[24])
                .write(folder.resolve("model.safetensors"));
        assertEquals(": tensor wpe.weight is there twice, with and without \"transformer.\" or in two files", failure(TINY));
    }

    @Test
    void readsShards() throws IOException {
        shards("m-1.safetensors", "m-2.safetensors", "m-1.safetensors");
        check(TINY);
        Files.delete(folder.resolve("m-2.safetensors"));
        assertEquals("/model.safetensors.index.json: shard m-2.safetensors is missing", failure(TINY));
        shards("m-1.safetensors", "m-2.safetensors", "m-2.safetensors");
        assertEquals(List.of(": 2 problems",
                "  m-1.safetensors: tensor ln_f.weight is not what model.safetensors.index.json lists there",
                "  m-2.safetensors: lacks ln_f.weight, which model.safetensors.index.json lists there"),
                failure(TINY).lines().toList());
        shards("../m-1.safetensors", "m-2.safetensors", "m-2.safetensors");
        assertTrue(failure(TINY).contains("weight_map sends ln_f.bias to ../m-1.safetensors, which is no file name beside it"));
        Files.writeString(folder.resolve("model.safetensors.index.json"), "{\"weight_map\": {}}");
        assertEquals("/model.safetensors.index.json: has no weight_map from tensor to file", failure(TINY));
    }

    @Test
    void refusesPickles() throws IOException {
        assertEquals(": has neither model.safetensors nor model.safetensors.index.json", failure(TINY));
        Files.write(folder.resolve("pytorch_model.bin"), new byte[] {1});
        assertEquals(": has pytorch_model.bin but no model.safetensors. Lethe does not read pickle files, because loading one "
                + "executes code. Convert it where you trust it: python3 -c \"from transformers import AutoModelForCausalLM as M; "
                + "M.from_pretrained('" + folder + "').save_pretrained('" + folder + "')\"", failure(TINY));
    }

    /** Two shards; the index says ln_f.weight lies in {@code saysNorm}, all else where it does. */
    private void shards(String first, String second, String saysNorm) throws IOException {
        SafetensorsFile one = SafetensorsFile.gpt2(TINY, "");
        SafetensorsFile two = SafetensorsFile.gpt2(TINY, "");
        StringBuilder map = new StringBuilder();
        for (String name : new WeightCheck(null, ModelSettings.of(TINY)).expected().keySet()) {
            boolean inFirst = name.startsWith("ln_f");
            (inFirst ? two : one).remove(name);
            map.append(map.isEmpty() ? "" : ",").append("\"%s\":\"%s\"".formatted(name,
                    name.equals("ln_f.weight") ? saysNorm : inFirst ? first : second));
        }
        one.write(folder.resolve("m-1.safetensors"));
        two.write(folder.resolve("m-2.safetensors"));
        Files.writeString(folder.resolve("model.safetensors.index.json"), "{\"metadata\":{},\"weight_map\":{" + map + "}}");
    }

    private void check(ModelShape shape) {
        try (WeightFiles files = WeightFiles.open(folder, ModelType.GPT2)) {
            new WeightCheck(folder, ModelSettings.of(shape)).check(files.weights());
        }
    }

    /** The message without the folder's name. */
    private String failure(ModelShape shape) {
        String message = assertThrows(BadInputException.class, () -> check(shape)).getMessage();
        assertTrue(message.startsWith(folder.toString()), message);
        return message.substring(folder.toString().length());
    }
}
