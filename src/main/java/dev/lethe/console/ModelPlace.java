package dev.lethe.console;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Settings;
import dev.lethe.engine.Engine;
import dev.lethe.model.Checkpoint;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import java.nio.file.Path;

/** Where the arithmetic runs, and where the base of adapters lies. */
public final class ModelPlace {
    private Device device = Device.cpu();
    private Dtype compute = Dtype.F32;
    private int threads;
    private Path base;

    public void into(Settings settings) {
        settings.section("models and machine")
                .text("device", "DEVICE", "cpu", "cpu, cuda or cuda:N", value -> device = Device.parse(value))
                .choice("compute", "TYPE", compute, "f32, or bf16: activations and matrix products in bf16, weights and sums in f32",
                        value -> compute = value, Dtype.F32, Dtype.BF16)
                .whole("threads", 0, "Threads of the native engine, at most 1,024; 0 = one a core", this::threads)
                .text("base", "DIR", "", "The model that an adapter is on, where it does not lie where the adapter says; in an"
                        + " adoption of another model, that model before its training: tells which records were learned at all",
                        value -> base = Path.of(value));
    }

    private void threads(int value) {
        if (value < 0 || value > 1024) {
            throw new BadInputException("must be 0 to 1024");
        }
        threads = value;
    }

    /** Null where none is named. */
    public Path base() {
        return base;
    }

    public Device device() {
        return device;
    }

    public Dtype compute() {
        return compute;
    }

    /** 0 = one a core. */
    public int threads() {
        return threads;
    }

    /** Opens the device; a device that is not there is an error, never another device. Before any run or model is opened. */
    public Engine open() {
        useBase();
        return Engine.open(device, compute, threads);
    }

    public void useBase() {
        Checkpoint.baseIn(base);
    }
}
