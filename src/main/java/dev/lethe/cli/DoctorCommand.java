package dev.lethe.cli;

import dev.lethe.base.EngineException;
import dev.lethe.base.Reason;
import dev.lethe.base.Sizes;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.Terminal;
import dev.lethe.engine.Engine;
import dev.lethe.run.RunInfo;
import dev.lethe.shape.Device.DeviceInfo;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;

/** lethe doctor: what this machine has, and what is missing with the command that mends it. */
@Command(name = "doctor", description = {"Says what this machine has, and what is missing.", "Exit code 2 when Lethe cannot run on it."})
final class DoctorCommand extends LetheCommand {
    /** What --json gives; {@code torch} parts are null when the native library does not load. */
    record Result(String lethe, String java, int cores, long memoryBytes, long maxHeapBytes, long freeDiskBytes,
                  String libtorch, String torchVersion, String compiledFor, boolean cudaCompiled, int cudaDevices,
                  int threads, String isa, List<DeviceInfo> devices, String noDevice, List<String> missing) {}

    @Override
    protected void work() {
        List<String> missing = new ArrayList<>();
        Engine.BuildInfo build = null;
        try {
            build = Engine.buildInfo();
        } catch (EngineException e) {
            missing.add(Reason.of(e));
        }
        Result result = new Result(RunInfo.VERSION, Runtime.version().toString(),
                Runtime.getRuntime().availableProcessors(), memory(), Runtime.getRuntime().maxMemory(), freeDisk(missing),
                System.getProperty("lethe.libtorch"), build == null ? null : build.torchVersion(),
                build == null ? null : build.compiledFor(), build != null && build.cudaCompiled(),
                build == null ? 0 : build.cudaDevices(), build == null ? 0 : build.threads(),
                build == null ? null : build.isa(), devices(build), build == null ? null : noDevice(), missing);
        result(result, terminal -> print(terminal, result));
        ends(missing.isEmpty() ? 0 : Main.BAD_INPUT);
    }

    private static List<DeviceInfo> devices(Engine.BuildInfo build) {
        return build == null ? List.of() : IntStream.range(0, build.cudaDevices()).mapToObj(Engine::deviceInfo).toList();
    }

    /** Why there is no CUDA device, null when there is one. */
    private static String noDevice() {
        try {
            Engine.deviceInfo(0);
            return null;
        } catch (EngineException e) {
            return Reason.of(e);
        }
    }

    private static long memory() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getTotalMemorySize() : 0;
    }

    private static long freeDisk(List<String> missing) {
        try {
            return Files.getFileStore(Path.of("").toAbsolutePath()).getUsableSpace();
        } catch (IOException e) {
            missing.add("the working directory: " + Reason.of(e));
            return 0;
        }
    }

    private static void print(Terminal terminal, Result result) {
        terminal.print("Lethe      %s", result.lethe);
        terminal.print("Java       %s, heap up to %s", result.java, Sizes.of(result.maxHeapBytes));
        terminal.print("machine    %d cores, %s memory, %s free on disk here", result.cores, Sizes.of(result.memoryBytes),
                Sizes.of(result.freeDiskBytes));
        if (result.torchVersion != null) {
            terminal.print("libtorch   %s (compiled against %s)%s, %d threads, %s", result.torchVersion, result.compiledFor,
                    result.libtorch == null ? "" : " at " + result.libtorch, result.threads, result.isa);
            for (int i = 0; i < result.devices.size(); i++) {
                DeviceInfo device = result.devices.get(i);
                terminal.print("cuda:%d     %s, compute capability %.1f%s, %s of %s free, driver for CUDA %.1f, runtime %.1f", i,
                        device.name(), device.capability() / 10.0, device.usable() ? "" : " (no kernels in this build)",
                        Sizes.of(device.freeBytes()), Sizes.of(device.totalBytes()), device.driver() / 1000.0,
                        device.runtime() / 1000.0);
            }
            if (result.noDevice != null) {
                terminal.print("CUDA       %s", result.noDevice);
            }
        }
        result.missing.forEach(problem -> terminal.print("missing    %s", problem));
        terminal.print(result.missing.isEmpty() ? "nothing is missing" : "Lethe cannot train or erase until this is mended");
    }
}
