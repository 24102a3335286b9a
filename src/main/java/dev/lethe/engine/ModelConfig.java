package dev.lethe.engine;

import dev.lethe.base.BadInputException;
import dev.lethe.bindings.lethe_adapted;
import dev.lethe.bindings.lethe_model_config;
import dev.lethe.shape.Block;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/** The native form of what a model is to be. */
final class ModelConfig {
    private ModelConfig() {
    }

    /** Of a model on the engine's device. */
    static MemorySegment of(Arena arena, Engine engine, ModelShape shape, Dtype dtype) {
        MemorySegment config = of(arena, shape, dtype);
        lethe_model_config.device_type(config, engine.device().kind().code());
        lethe_model_config.device_index(config, engine.device().index());
        // Only an F32 model has anything to compute in a narrower type.
        boolean narrow = engine.compute() == Dtype.BF16 && dtype == Dtype.F32;
        lethe_model_config.compute_dtype(config, narrow ? Dtype.BF16.code() : 0);
        return config;
    }

    /** Of one on the CPU. */
    static MemorySegment of(Arena arena, ModelShape shape, Dtype dtype) {
        MemorySegment config = lethe_model_config.allocate(arena);
        lethe_model_config.struct_size(config, lethe_model_config.sizeof());
        lethe_model_config.vocabulary(config, shape.vocabulary());
        lethe_model_config.context(config, shape.context());
        lethe_model_config.channels(config, shape.channels());
        lethe_model_config.heads(config, shape.heads());
        lethe_model_config.layers(config, shape.layers());
        lethe_model_config.inner(config, shape.inner());
        lethe_model_config.norm_epsilon(config, shape.normEpsilon());
        lethe_model_config.tied_head(config, shape.tiedHead() ? 1 : 0);
        lethe_model_config.dtype(config, dtype.code());
        block(config, shape.block());
        adapters(arena, config, shape);
        return config;
    }

    private static void adapters(Arena arena, MemorySegment config, ModelShape shape) {
        int count = shape.adapters().size();
        MemorySegment adapted = count == 0 ? MemorySegment.NULL : lethe_adapted.allocateArray(count, arena);
        for (int i = 0; i < count; i++) {
            ModelShape.Adapter adapter = shape.adapters().get(i);
            MemorySegment one = lethe_adapted.asSlice(adapted, i);
            byte[] name = adapter.module().getBytes(StandardCharsets.UTF_8);
            if (name.length >= lethe_adapted.module(one).byteSize()) {
                throw new BadInputException("adapter on " + adapter.module() + ": the model has no module of so long a name");
            }
            lethe_adapted.struct_size(one, lethe_adapted.sizeof());
            lethe_adapted.module(one).asByteBuffer().put(name);
            lethe_adapted.rank(one, adapter.rank());
            lethe_adapted.scale(one, adapter.scale());
        }
        lethe_model_config.adapted(config, adapted);
        lethe_model_config.adapted_count(config, count);
    }

    private static void block(MemorySegment config, Block block) {
        lethe_model_config.family(config, block.family().code());
        lethe_model_config.activation(config, block.activation().code());
        lethe_model_config.block_options(config, block.bits());
        lethe_model_config.kv_heads(config, block.kvHeads());
        lethe_model_config.head_size(config, block.headSize());
        Block.Rotary rotary = block.rotary();
        if (rotary != null) {
            lethe_model_config.rotary_size(config, rotary.size());
            lethe_model_config.rotary_base(config, rotary.base());
            lethe_model_config.rotary_scaling(config, rotary.scaling().code());
            lethe_model_config.rotary_factor(config, rotary.factor());
            lethe_model_config.rotary_low_factor(config, rotary.lowFactor());
            lethe_model_config.rotary_high_factor(config, rotary.highFactor());
            lethe_model_config.rotary_old_context(config, rotary.oldContext());
        }
    }
}
