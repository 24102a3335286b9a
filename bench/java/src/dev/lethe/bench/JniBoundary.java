/* The JNI side of BoundaryBench: native methods of bench/native/boundary.c, compiled into a temporary folder on first use. */
package dev.lethe.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Methods answer as their twins in java.lang.foreign do. */
final class JniBoundary {
    private JniBoundary() { }

    static native int empty();

    static native void refuse(int value);

    static native void fill(long[] out);

    static native float sum(float[] numbers, int count);

    static native float sumAt(long address, int count);

    /** Compiles with $CC, cc or gcc and loads; the library's path. @throws IllegalStateException with the compiler's words */
    static Path load() {
        Path home = Path.of(System.getProperty("java.home"));
        Path source = Path.of(System.getProperty("lethe.root", "."), "bench", "native", "boundary.c").toAbsolutePath();
        try {
            Path folder = Files.createTempDirectory("lethe-boundary");
            Path library = folder.resolve("libboundary.so");
            String compiler = System.getenv().getOrDefault("CC", "cc");
            Process process = new ProcessBuilder(List.of(compiler, "-std=c11", "-O2", "-shared", "-fPIC",
                    "-I" + home.resolve("include"), "-I" + home.resolve("include/linux"), "-o", library.toString(),
                    source.toString())).redirectErrorStream(true).start();
            String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (process.waitFor() != 0) {
                throw new IllegalStateException("compiling " + source + " with " + compiler + ": " + said);
            }
            System.load(library.toString());
            library.toFile().deleteOnExit();
            folder.toFile().deleteOnExit();
            return library;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while compiling " + source, e);
        }
    }
}
