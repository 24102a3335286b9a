package dev.lethe.natives;

import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.base.Reason;
import dev.lethe.bindings.LetheNative;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Finds and loads liblethe once a process and compares its ABI version with the bindings'. Order: -Dlethe.native=FILE,
 * LETHE_NATIVE, then the jar of this platform ({@link NativeJar}), never a folder that nobody named. libtorch is loaded first,
 * from where {@link Libtorch} finds it; a file that somebody named may know by itself where its libtorch lies, as one in a
 * build folder does. A failed load is not remembered: the next use tries again and says the same.
 */
public final class NativeLibrary {
    static final System.Logger LOG = System.getLogger("dev.lethe.natives");
    private static final String BUILD = "./lethe build";
    private static final String FILE = System.mapLibraryName("lethe");

    private static volatile boolean loaded;

    private NativeLibrary() {
    }

    /** @throws EngineException UNSUPPORTED, naming what to do */
    public static void ensure() {
        if (!loaded) {
            load();
        }
    }

    public static boolean loaded() {
        return loaded;
    }

    private static synchronized void load() {
        if (loaded) {
            return;
        }
        try {
            BoundedSpin.during(NativeLibrary::loadAll);
        } catch (IllegalCallerException e) {
            throw new EngineException(Status.UNSUPPORTED, denied(NativeLibrary.class.getModule()), e);
        }
        loaded = true;
    }

    private static void loadAll() {
        Path named = named();
        String from = named == null ? loadFromJar() : loadNamed(named);
        if (SymbolLookup.loaderLookup().find("lethe_abi_version").isEmpty()) {
            throw new EngineException(Status.UNSUPPORTED, from + " is not Lethe's native library; build it with: " + BUILD);
        }
        checkVersion(from, LetheNative.lethe_abi_version(), LetheNative.LETHE_ABI_VERSION());
        LOG.log(System.Logger.Level.DEBUG, "loaded {0}", from);
    }

    private static String loadNamed(Path file) {
        Libtorch named = Libtorch.named(null);
        if (named != null) {
            named.load();
        }
        try {
            open(file);
        } catch (UnsatisfiedLinkError e) {
            if (named != null || !Reason.of(e).matches("(?s).*lib(torch_cpu|c10|gomp)[^:]*: cannot open.*")) {
                throw unloadable(file, e);
            }
            Libtorch.find(null).load();
            try {
                open(file);
            } catch (UnsatisfiedLinkError again) {
                throw unloadable(file, again);
            }
        }
        return file.toString();
    }

    private static String loadFromJar() {
        NativeJar jar = NativeJar.of("native");
        if (jar == null) {
            throw new EngineException(Status.UNSUPPORTED, absent(NativeJar.PLATFORM));
        }
        Libtorch.find(jar.property("libtorch")).load();
        jar.load(FILE);
        return jar.toString();
    }

    /** Loads a file by its full name. */
    static void open(Path file) {
        System.load(file.toString());
    }

    static EngineException unloadable(Path file, UnsatisfiedLinkError e) {
        return new EngineException(Status.UNSUPPORTED, unloadable(file, Reason.of(e).replace(file + ": ", "")), e);
    }

    static String unloadable(Path file, String reason) {
        // A library built over a CUDA libtorch asks for its parts by these names.
        boolean cuda = reason.matches("(?s).*(torch_cuda|c10_cuda|cudart|cublas).*");
        if (reason.contains("CPU ISA level")) {
            return "cannot load " + file + ": this processor lacks AVX2, FMA or BMI (x86-64-v3), which Lethe needs";
        }
        if (reason.contains("undefined symbol")) {
            return "cannot load " + file + ": it was built for another libtorch than the one found (" + reason + ")";
        }
        return "cannot load " + file + ": " + reason + (reason.contains("failed to map segment")
                ? "; its file system is mounted noexec, move it to one that is not"
                : (cuda ? "; it was built for a libtorch with CUDA and the one found has none" : "")
                        + "; rebuild it with: " + BUILD);
    }

    static void checkVersion(String file, int found, int needed) {
        if (found != needed) {
            throw new EngineException(Status.UNSUPPORTED, file + " has ABI version " + found + " but this build of"
                    + " Lethe needs " + needed + "; use the two of one build: " + BUILD);
        }
    }

    /** The JVM refuses native code to a module that the command line does not name. */
    static String denied(Module module) {
        return "this JVM lets " + (module.isNamed() ? "module " + module.getName() : "the class path") + " load no native code;"
                + " start it with --enable-native-access=" + (module.isNamed() ? module.getName() : "ALL-UNNAMED");
    }

    static String absent(String platform) {
        return "Lethe's native library is not on the class path; " + (platform.equals("linux-x86_64")
                ? "add the dependency dev.lethe:lethe with the classifier " + platform
                : "there is none for " + platform + ", only for Linux on x86-64")
                + ", or name one with -Dlethe.native=FILE (" + BUILD + " makes build/native/" + FILE + ")";
    }

    /** Where another library of the same build lies, there or not; null where the jar of natives is used, which holds none. */
    public static Path beside(String name) {
        Path named = named();
        return named == null ? null : named.toAbsolutePath().resolveSibling(System.mapLibraryName(name));
    }

    private static Path named() {
        Path named = named("-Dlethe.native", System.getProperty("lethe.native"));
        return named != null ? named : named("LETHE_NATIVE", System.getenv("LETHE_NATIVE"));
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

    /**
     * Runs something that loads libgomp; what a user has set stays, and so does everything where libc has no setenv.
     * How long libgomp's threads spin before they sleep. By default they spin so long that beside another busy process they hold the
     * processors they wait for (a demo beside two busy threads took ten times as long). libgomp reads its environment once, when it is
     * loaded, and an embedding service sets none: so the variable stands in the process for that moment.
     *
     */
    static final class BoundedSpin {
        private static final String VARIABLE = "GOMP_SPINCOUNT";
        /** Measured beside busy processes and on a quiet machine: docs/performance.md. */
        private static final String COUNT = "5000";
        private static final Linker LINKER = Linker.nativeLinker();

        private BoundedSpin() {
        }

        static void during(Runnable load) {
            MethodHandle get = function("getenv", ValueLayout.ADDRESS, ValueLayout.ADDRESS);
            MethodHandle set = function("setenv", ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
            MethodHandle unset = function("unsetenv", ValueLayout.JAVA_INT, ValueLayout.ADDRESS);
            if (get == null || set == null || unset == null) {
                load.run();
                return;
            }
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment variable = arena.allocateFrom(VARIABLE);
                boolean ours = free(get, variable) && free(get, arena.allocateFrom("OMP_WAIT_POLICY"))
                        && (int) call(set, variable, arena.allocateFrom(COUNT), 0) == 0;
                try {
                    load.run();
                } finally {
                    if (ours) {
                        call(unset, variable);
                    }
                }
            }
        }

        private static boolean free(MethodHandle get, MemorySegment variable) {
            return ((MemorySegment) call(get, variable)).equals(MemorySegment.NULL);
        }

        /** Null where the C library has no such function. */
        private static MethodHandle function(String name, ValueLayout result, ValueLayout... arguments) {
            return LINKER.defaultLookup().find(name)
                    .map(address -> LINKER.downcallHandle(address, FunctionDescriptor.of(result, arguments))).orElse(null);
        }

        private static Object call(MethodHandle function, Object... arguments) {
            try {
                return function.invokeWithArguments(arguments);
            } catch (RuntimeException | Error e) {
                throw e;
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
