package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import java.lang.foreign.SymbolLookup;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Finds and loads liblethe once a process and compares its ABI version with the bindings'. Order: -Dlethe.native=FILE,
 * LETHE_NATIVE, then build/native/liblethe.so in the folders above the classes or the jar, then under the working
 * directory. A failed load is not remembered: the next use tries again and says the same.
 */
final class NativeLibrary {
    private static final System.Logger LOG = System.getLogger("dev.lethe.engine");
    private static final String BUILD = "./lethe build";
    private static final String RELATIVE = "build/native/" + System.mapLibraryName("lethe");
    private static final int PARENTS = 4;

    private static volatile boolean loaded;

    private NativeLibrary() {
    }

    /** @throws EngineException UNSUPPORTED, naming what to run */
    static void ensure() {
        if (!loaded) {
            load();
        }
    }

    private static synchronized void load() {
        if (loaded) {
            return;
        }
        Path file = find();
        try {
            BoundedSpin.during(() -> System.load(file.toString()));
        } catch (UnsatisfiedLinkError e) {
            throw new EngineException(Status.UNSUPPORTED, unloadable(file, Reason.of(e).replace(file + ": ", "")), e);
        }
        if (SymbolLookup.loaderLookup().find("lethe_abi_version").isEmpty()) {
            throw new EngineException(Status.UNSUPPORTED, file + " is not Lethe's native library; build it with: "
                    + BUILD);
        }
        checkVersion(file, LetheNative.lethe_abi_version(), LetheNative.LETHE_ABI_VERSION());
        loaded = true;
        LOG.log(System.Logger.Level.DEBUG, "loaded {0}", file);
    }

    static String unloadable(Path file, String reason) {
        // A library built over a CUDA libtorch asks for its parts by these names.
        boolean cuda = reason.matches("(?s).*(torch_cuda|c10_cuda|cudart|cublas).*");
        if (reason.contains("CPU ISA level")) {
            return "cannot load " + file + ": this processor lacks AVX2, FMA or BMI (x86-64-v3), which Lethe needs";
        }
        return "cannot load " + file + ": " + reason + (reason.contains("failed to map segment")
                ? "; its file system is mounted noexec, move the checkout to one that is not"
                : (cuda ? "; it was built for a libtorch with CUDA and the one found has none" : "")
                        + "; rebuild it with: " + BUILD);
    }

    static void checkVersion(Path file, int found, int needed) {
        if (found != needed) {
            throw new EngineException(Status.UNSUPPORTED, file + " has ABI version " + found + " but this build of"
                    + " Lethe needs " + needed + "; rebuild it with: " + BUILD);
        }
    }

    private static Path find() {
        Path named = named("-Dlethe.native", System.getProperty("lethe.native"));
        if (named == null) {
            named = named("LETHE_NATIVE", System.getenv("LETHE_NATIVE"));
        }
        return named != null ? named : search(candidates());
    }

    /** The file an option names, or null where the option is not set. */
    static Path named(String option, String value) {
        if (value == null || value.isEmpty()) {
            return null;
        }
        Path file = Path.of(value).toAbsolutePath();
        if (!Files.isRegularFile(file)) {
            throw new EngineException(Status.UNSUPPORTED, option + " names " + file
                    + ", which is not a file; build it with: " + BUILD);
        }
        return file;
    }

    static Path search(List<Path> candidates) {
        return candidates.stream().filter(Files::isRegularFile).findFirst().orElseThrow(() ->
                new EngineException(Status.UNSUPPORTED, "Lethe's native library is not built; looked for "
                        + String.join(", ", candidates.stream().map(Path::toString).toList())
                        + "; build it with: " + BUILD + ", or name it with -Dlethe.native=FILE"));
    }

    private static List<Path> candidates() {
        List<Path> files = new ArrayList<>();
        Path folder = codeFolder();
        for (int i = 0; i < PARENTS && folder != null; i++, folder = folder.getParent()) {
            files.add(folder.resolve(RELATIVE));
        }
        files.add(Path.of(RELATIVE).toAbsolutePath());
        return files.stream().distinct().toList();
    }

    /** The folder that holds the classes or the jar; null where the class loader does not say. */
    private static Path codeFolder() {
        var source = NativeLibrary.class.getProtectionDomain().getCodeSource();
        try {
            return source == null || source.getLocation() == null ? null
                    : Path.of(source.getLocation().toURI()).toAbsolutePath().getParent();
        } catch (URISyntaxException | IllegalArgumentException e) {
            LOG.log(System.Logger.Level.DEBUG, "no folder for {0}", source.getLocation());
            return null;
        }
    }
}
