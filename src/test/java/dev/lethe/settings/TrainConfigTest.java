package dev.lethe.settings;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lethe.base.BadInputException;
import dev.lethe.run.RunJson;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.ModelShape.Adapter;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class TrainConfigTest {
    private static final ModelShape SHAPE = new ModelShape(ModelShape.GPT2_VOCABULARY, 64, 16, 2, 1, 64, 1e-5, true);

    @Test
    void tellsEveryProblemAtOnce() {
        TrainConfig.Builder bad = TrainConfig.builder().epochs(0).maxSteps(-1).batchSize(0).learningRate(-1).warmupSteps(-2)
                .weightDecay(Double.NaN).maxNorm(-1).dtype(Dtype.F16).sites(" ").headTopK(-2).ledgerDtype(Dtype.F64)
                .checkpointEverySteps(-1).holdoutFraction(0.5).holdoutData(Path.of("h.jsonl")).schedule(null).capture(null)
                .onLong(null);
        assertEquals("epochs is 0, must be at least 1; max_steps is -1, must be 0 (no limit) or more; "
                + "batch is 0, must be 1 to 65536; learning_rate is -1.0, must be finite and above 0; schedule is null, must "
                + "be linear, cosine or constant; warmup is -2, must be 0 or more; weight_decay is NaN, must be 0 or "
                + "more; max_norm is -1.0, must be 0 (off) or more; dtype is F16, must be F32 or F64; capture is null, must "
                + "be last, first, all or none; sites is  , must be a site selector such as embedding or all; head_top_k is -2, "
                + "must be -1 (automatic), 0 (exact) or more; ledger_dtype is F64, must be F32 or BF16, or F64 with an F64 model; checkpoint_every "
                + "is -1, must be 0 or more; on_long is null, must be truncate or error; holdout is h.jsonl, must "
                + "be absent when a holdout fraction is given",
                assertThrows(BadInputException.class, bad::build).getMessage());
        assertThrows(BadInputException.class, () -> TrainConfig.builder().holdoutFraction(1).build());
        assertThrows(BadInputException.class, () -> TrainConfig.builder().learningRate(Double.POSITIVE_INFINITY).build());
    }

    @Test
    void defaultsAreThePapersButForTheEpoch() {
        TrainConfig config = TrainConfig.builder().build();
        assertEquals(15, config.epochs());
        assertEquals(CapturePolicy.LAST, config.capture());
        assertEquals("embedding", config.settled(SHAPE, false).sites());
        assertEquals(5e-5, config.learningRate());
    }

    @Test
    void whatIsLeftOpenFitsTheModel() {
        TrainConfig open = TrainConfig.builder().build();
        TrainConfig settled = open.settled(SHAPE, false);
        assertEquals(256, settled.headTopK());
        assertEquals(0.05, settled.holdoutFraction());
        assertEquals("all", open.settled(new ModelShape(1024, 64, 16, 2, 1, 64, 1e-5, true).withAdapters(List.of(new Adapter("h.0.attn.c_attn", 2, 1))), false).sites());
        assertEquals(0, open.settled(new ModelShape(1024, 64, 16, 2, 1, 64, 1e-5, true), true).headTopK());
        assertEquals(0, open.settled(SHAPE, true).holdoutFraction());
        assertEquals(0, open.toBuilder().holdoutData(Path.of("h.jsonl")).build().settled(SHAPE, false).holdoutFraction());
        assertEquals(settled, settled.settled(SHAPE, true));
        TrainConfig other = settled.toBuilder().sites("h.*.mlp.*").headTopK(9).holdoutFraction(0).build();
        assertEquals(List.of(), other.differences(open.settled(other)));
        TrainConfig elsewhere = open.toBuilder().holdoutData(Path.of("h.jsonl")).build().settled(settled); // told as a difference
        assertEquals(0, elsewhere.holdoutFraction());
    }

    @Test
    void survivesJson() {
        TrainConfig config = TrainConfig.builder().epochs(2).maxSteps(7).batchSize(3).learningRate(0.1 + 0.2)
                .schedule(Schedule.COSINE).warmupSteps(4).weightDecay(0.1).maxNorm(0).seed(Long.MIN_VALUE).dtype(Dtype.F64)
                .capture(CapturePolicy.ALL).sites("h.*.mlp.*").headTopK(9).ledgerDtype(Dtype.F64).checkpointEverySteps(5)
                .onLong(OnLong.ERROR).holdoutData(Path.of("some where/ü.jsonl")).keepText(true).build();
        String json = RunJson.pretty(config);
        assertEquals(config, RunJson.read(json, TrainConfig.class, "test"), json);
        assertEquals(config, config.toBuilder().build());
        assertEquals(List.of(), config.differences(config.toBuilder().build()));
    }

    @Test
    void differencesHaveBothValues() {
        TrainConfig config = TrainConfig.builder().build();
        assertEquals(List.of("batchSize is 8, asked for 16", "schedule is LINEAR, asked for COSINE"),
                config.differences(config.toBuilder().batchSize(16).schedule(Schedule.COSINE).build()));
    }

    @Test
    void countsSteps() {
        assertEquals(9, TrainConfig.builder().epochs(3).batchSize(4).build().steps(10));
        assertEquals(5, TrainConfig.builder().epochs(3).batchSize(4).maxSteps(5).build().steps(10));
        assertEquals(9, TrainConfig.builder().epochs(3).batchSize(4).maxSteps(50).build().steps(10));
    }
}
