package dev.lethe.cli;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Device;
import dev.lethe.engine.Dtype;
import dev.lethe.engine.Engine;
import dev.lethe.engine.Reason;
import picocli.CommandLine.Option;

/** Where the arithmetic runs. */
final class Hardware {
    @Option(names = "--device", paramLabel = "DEVICE", defaultValue = "cpu",
            description = "cpu, cuda or cuda:N (default: cpu).")
    private String device;

    @Option(names = "--compute", paramLabel = "TYPE", defaultValue = "f32",
            description = "f32, or bf16: activations and matrix products in bf16, weights and sums in f32 (default: f32).")
    private String compute;

    @Option(names = "--threads", paramLabel = "N", description = "Threads of the native engine (default: one a core).")
    private Integer threads;

    /** Opens the device; a device that is not there is an error, never another device. */
    Engine open() {
        Device wanted;
        try {
            wanted = Device.parse(device);
        } catch (IllegalArgumentException e) {
            throw new BadInputException("--device: " + Reason.of(e));
        }
        if (threads != null && (threads < 1 || threads > 1024)) {
            throw new BadInputException("--threads " + threads + ": must be 1 to 1024");
        }
        return Engine.open(wanted, switch (compute) {
            case "f32" -> Dtype.F32;
            case "bf16" -> Dtype.BF16;
            default -> throw new BadInputException("--compute " + compute + ": use f32 or bf16");
        }, threads == null ? 0 : threads);
    }
}
