package dev.lethe.ledger;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.shape.Block;
import dev.lethe.shape.Block.Activation;
import dev.lethe.shape.Block.Family;
import dev.lethe.shape.Block.Option;
import dev.lethe.shape.Block.Rotary;
import dev.lethe.shape.Block.Rotary.Scaling;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.testing.Families;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What a manifest says of a model's block: it comes back, ties segments to it, and another block is refused. */
@ExtendWith(NoLeaks.class)
class ManifestShapeTest {
    /** As the last version wrote it that knew GPT-2 alone. */
    private static final String GPT2_ALONE = """
            {
              "format" : "lethe-ledger",
              "version" : 1,
              "modelHash" : "0123abcd",
              "shape" : {
                "vocabulary" : 100,
                "context" : 16,
                "channels" : 8,
                "heads" : 2,
                "layers" : 1,
                "inner" : 32,
                "layerNormEpsilon" : 1.0E-5,
                "tiedHead" : true
              },
              "sites" : [ "wte", "lm_head" ],
              "headTopK" : 0,
              "dtype" : "f32",
              "sealed" : false,
              "checksum" : "6a0589f2"
            }
            """;

    @TempDir
    Path folder;

    @Test
    void theManifestOfGpt2AloneStaysAsItWas() throws IOException {
        LedgerFixture.create(folder.resolve("new"), 0, 1, LedgerWriter.SEGMENT_BYTES);
        assertEquals(GPT2_ALONE, Files.readString(folder.resolve("new/manifest.json")));
        assertEquals(LedgerFixture.manifest(), LedgerManifest.read(new LedgerFolder(folder.resolve("new"))));
    }

    @Test
    void everyBlockComesBack() {
        int number = 0;
        for (ModelShape shape : shapes()) {
            Path ledger = folder.resolve("ledger" + number++);
            LedgerManifest manifest = LedgerManifest.of("ab", shape, List.of("a"), 3, Dtype.BF16).withRank(2);
            LedgerWriter.create(ledger, manifest).close();
            try (GradientLedger opened = GradientLedger.open(ledger)) {
                assertEquals(manifest, opened.manifest());
                assertEquals(manifest.identity(), opened.manifest().identity());
            }
        }
    }

    @Test
    void anotherBlockIsRefused() {
        ModelShape shape = Families.of("llama", 13, 8);
        try (Engine engine = Engine.cpu(); LanguageModel model = engine.model(shape, Dtype.F32)) {
            int number = 0;
            for (ModelShape other : shapes()) {
                if (other.equals(shape)) {
                    continue;
                }
                LedgerManifest manifest = LedgerManifest.of("ab", other, List.of("embed_tokens"), 0, Dtype.F32);
                assertNotEquals(LedgerManifest.of("ab", shape, List.of("embed_tokens"), 0, Dtype.F32).identity(),
                        manifest.identity(), other.toString());
                Path folder = this.folder.resolve("other" + number++);
                LedgerWriter.create(folder, manifest).close();
                try (GradientLedger ledger = GradientLedger.open(folder)) {
                    String message = assertThrows(BadInputException.class, () -> ledger.format(model)).getMessage();
                    assertTrue(message.contains(other.toString()) && message.contains(shape.toString()), message);
                }
            }
        }
    }

    /** Every family, and one llama with each field of its block turned. */
    private static List<ModelShape> shapes() {
        List<ModelShape> shapes = new ArrayList<>();
        for (String name : List.of("llama", "qwen2", "qwen3", "pythia", "sequential")) {
            shapes.add(Families.of(name, 13, 8));
        }
        ModelShape llama = shapes.getFirst();
        Block block = llama.block();
        shapes.add(Families.with(llama, Block.GPT2));
        for (Rotary rotary : List.of(Rotary.plain(4, 500_000), Rotary.plain(2, 10_000),
                new Rotary(4, 10_000, Scaling.LINEAR, 2.5, 0, 0, 0), new Rotary(4, 10_000, Scaling.LLAMA3, 8, 1, 4,
                8192))) {
            shapes.add(Families.with(llama, new Block(Family.LLAMA, block.activation(), 2, 0, rotary,
                    block.options())));
        }
        shapes.add(Families.with(llama, new Block(Family.LLAMA, Activation.GELU, 2, 0, block.rotary(),
                block.options())));
        shapes.add(Families.with(llama, new Block(Family.LLAMA, block.activation(), 1, 0, block.rotary(),
                block.options())));
        shapes.add(Families.with(llama, new Block(Family.LLAMA, block.activation(), 2, 6, block.rotary(),
                block.options())));
        shapes.add(Families.with(llama, new Block(Family.LLAMA, block.activation(), 2, 0, block.rotary(), Set.of())));
        shapes.add(Families.with(llama, new Block(Family.GPT2, Activation.RELU, 0, 0, null,
                Set.of(Option.SCORES_BY_BLOCK, Option.UNSCALED_SCORES))));
        return shapes;
    }
}
