package dev.lethe.train;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Lora;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.CapturePolicy;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.MemoryPlan;
import java.nio.file.Path;
import java.util.List;

/** What {@link EmulatedDeviceTest} runs; ends with a stack trace and status 1 when something differs. */
final class EmulatedDeviceChild {
    private EmulatedDeviceChild() { }

    public static void main(String[] arguments) {
        Path folder = Path.of(arguments[0]);
        TinyData tiny = new TinyData(folder, 4);
        TrainConfig config = TrainConfig.builder().epochs(2).batchSize(5).learningRate(1e-2).capture(CapturePolicy.ALL)
                .sites("all").holdoutFraction(0).checkpointEverySteps(2).build();
        MemoryPlan[] memory = new MemoryPlan[1];
        TrainListener plan = new TrainListener() {
            @Override
            public void started(TrainListener.TrainPlan started) {
                memory[0] = started.memory();
            }
        };
        try (Engine cpu = Engine.open(Device.cpu(), Dtype.F32, 1); Engine device = Engine.open(Device.parse("cuda"), Dtype.F32, 1);
                Engine narrow = Engine.open(Device.parse("cuda"), Dtype.BF16, 1)) {
            Path base = folder.resolve("base");
            try (LoadedModel fresh = LoadedModel.load(cpu, tiny.source, Dtype.F32, 1)) {
                fresh.save(base);
            }
            for (ModelSource source : List.of(tiny.source, new ModelSource.Adapted(base, Lora.parse("r=3")))) {
                Path out = folder.resolve(source.getClass().getSimpleName());
                RunFolder expected = Trainer.train(cpu, source, tiny.data, out.resolve("cpu"), config, plan);
                require(memory[0].capture() == 0, "the CPU needs no room on a device");
                RunFolder actual = Trainer.train(device, source, tiny.data, out.resolve("device"), config, plan);
                require(memory[0].capture() > 0 && memory[0].ring() > 0, "captures take room");
                same(cpu, expected, actual, 1e-3);
                RunFolder rounded = Trainer.train(narrow, source, tiny.data, out.resolve("narrow"), config, plan);
                require(memory[0].shadow() > 0, "bf16 parameters take room");
                same(cpu, expected, rounded, 1e-1);
            }
        }
        require(Engine.liveHandles() == 0, "every handle is closed");
    }

    /** The same losses, and the same entries in the same order with the same gradients. */
    private static void same(Engine engine, RunFolder expected, RunFolder actual, double tolerance) {
        double loss = expected.info().result().finalLoss();
        require(Math.abs(actual.info().result().finalLoss() - loss) <= tolerance * loss,
                "loss " + actual.info().result().finalLoss() + ", expected " + loss);
        try (GradientLedger mine = GradientLedger.open(actual.ledger()); GradientLedger its = GradientLedger.open(expected.ledger());
                LanguageModel model = Checkpoint.load(engine, expected.model(), Dtype.F32)) {
            require(mine.entries().size() == its.entries().size(), mine.entries().size() + " entries");
            for (int i = 0; i < its.entries().size(); i++) {
                Entry a = mine.entries().get(i);
                Entry b = its.entries().get(i);
                require(a.header().equals(b.header()) && a.length() == b.length(), "entry " + i + ": " + a.header());
                double distance = distance(model, mine, a, its, b);
                require(distance <= tolerance, "entry " + i + " is " + distance + " away");
            }
        }
    }

    private static double distance(LanguageModel model, GradientLedger mine, Entry a, GradientLedger its, Entry b) {
        try (ParameterVector difference = model.vector(); ParameterVector whole = model.vector()) {
            model.entries().accumulate(its.format(model), List.of(its.payload(b)), new double[] {1}, null, whole);
            model.entries().accumulate(its.format(model), List.of(mine.payload(a), its.payload(b)), new double[] {1, -1}, null,
                    difference);
            return Math.sqrt(difference.dot(difference) / whole.dot(whole));
        }
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
