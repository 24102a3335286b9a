/* What a training takes of the device's or the machine's memory, held against what there is. */
package dev.lethe.train;

import dev.lethe.data.Example;
import dev.lethe.engine.Device;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.MemoryPlan;
import dev.lethe.run.CapturePolicy;
import dev.lethe.run.TrainConfig;
import java.util.List;

final class MemoryNeed {
    private static final double SHARE = 0.9; // of what is free; libraries' workspaces and fragments take the rest

    private MemoryNeed() { }

    /** The plan of a training's largest batch; what the model holds already counts as available. */
    static MemoryPlan of(Engine engine, LanguageModel model, List<Example> examples, TrainConfig config) {
        BatchSizes sizes = BatchSizes.of(examples, config, 0);
        boolean captures = config.capture() != CapturePolicy.NONE && model.device().kind() != Device.Kind.CPU;
        long entries = captures ? sizes.entryBytes(model, LedgerCapture.format(model, config).untruncated(model.dtype())) : 0;
        int slots = captures ? RingCapture.slots(entries) : 0;
        return engine.plan(model.shape(), model.dtype(), new MemoryPlan.Request(sizes.records().size(), sizes.tokens(),
                sizes.targets(), entries, slots)).whenMade();
    }

    /** Tokens a gradient call on a device that cannot take the largest batch whole; 0 where it can, and on the CPU. */
    static long microTokens(Engine engine, MemoryPlan plan) {
        if (engine.device().kind() == Device.Kind.CPU || plan.total() <= SHARE * plan.available()) {
            return 0;
        }
        return Math.max(1, (long) (SHARE * plan.fittingTokens()));
    }
}
