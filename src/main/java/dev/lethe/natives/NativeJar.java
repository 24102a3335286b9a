/*
 * Native libraries that lie in a jar, loaded as onnxruntime's Java package does: copied into a new folder that is its owner's
 * alone, under a name that nobody can guess, and loaded from there. On Linux the files go as soon as they are loaded, so a killed
 * process leaves none behind. Places: the folder of -Dlethe.unpack, else java.io.tmpdir and then the user's cache, for /tmp
 * may be read-only, full or mounted noexec.
 */
package dev.lethe.natives;

import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.Set;

/** The libraries of one kind for this platform, on the class or module path: dev/lethe/KIND/PLATFORM/. */
final class NativeJar {
    /** As classifiers say it: linux-x86_64. */
    static final String PLATFORM = platform(System.getProperty("os.name"), System.getProperty("os.arch"));

    /** What is loaded stays, and once more from another file would be a second one. Under the lock of who loads. */
    private static final Set<String> LOADED = new HashSet<>();

    private final String folder;
    private final Properties about;

    private NativeJar(String folder, Properties about) {
        this.folder = folder;
        this.about = about;
    }

    /** @param kind native or libtorch; null when no such jar is there */
    static NativeJar of(String kind) {
        String folder = "dev/lethe/" + kind + "/" + PLATFORM + "/";
        try (InputStream in = resource(folder + "about.properties")) {
            if (in == null) {
                return null;
            }
            Properties about = new Properties();
            about.load(in);
            return new NativeJar(folder, about);
        } catch (IOException e) {
            throw new UncheckedIOException(folder + "about.properties: " + Reason.of(e), e);
        }
    }

    /** By the class loader, which finds in every module what lies in no package, and no package has a hyphen. */
    private static InputStream resource(String name) {
        return NativeJar.class.getClassLoader().getResourceAsStream(name);
    }

    static String platform(String system, String processor) {
        return system.toLowerCase(Locale.ROOT).replace(' ', '-') + "-" + (processor.equals("amd64") ? "x86_64" : processor);
    }

    /** What about.properties says; its build wrote every key. */
    String property(String key) {
        return about.getProperty(key);
    }

    /** Its libraries' names. */
    List<String> files() {
        return List.of(property("files").split(" "));
    }

    /**
     * Loads one of its libraries, and with it those of the others that it asks for.
     *
     * @throws EngineException UNSUPPORTED when no place can take them, with every place and what to set
     */
    void load(String library) {
        if (LOADED.contains(folder + library)) {
            return;
        }
        List<String> tried = new ArrayList<>();
        for (Path place : places(System.getProperty("lethe.unpack"))) {
            try {
                loadIn(place, library);
                LOADED.add(folder + library);
                return;
            } catch (IOException e) {
                tried.add(place + " (" + Reason.of(e, place) + ")");
            } catch (UnsatisfiedLinkError e) {
                if (!Reason.of(e).contains("failed to map segment")) {
                    throw NativeLibrary.unloadable(Path.of(library), e);
                }
                tried.add(place + " (mounted noexec)");
            }
        }
        throw new EngineException(Status.UNSUPPORTED, library + " can be loaded from no folder: " + String.join(", ", tried)
                + "; name one that can be written and is not mounted noexec with -Dlethe.unpack=DIR");
    }

    static List<Path> places(String named) {
        if (named != null && !named.isEmpty()) {
            return List.of(Path.of(named).toAbsolutePath());
        }
        String cache = System.getenv("XDG_CACHE_HOME");
        return List.of(Path.of(System.getProperty("java.io.tmpdir")).toAbsolutePath(),
                cache != null && cache.startsWith("/") ? Path.of(cache)
                        : Path.of(System.getProperty("user.home"), ".cache").toAbsolutePath());
    }

    private void loadIn(Path place, String library) throws IOException {
        Path own = PrivateFiles.tempFolder(PrivateFiles.makeFolder(place), "lethe-");
        try {
            for (String file : files()) {
                copy(file, own.resolve(file));
            }
            NativeLibrary.open(own.resolve(library));
        } finally {
            remove(own);
        }
    }

    private void copy(String file, Path to) throws IOException {
        try (InputStream in = resource(folder + file)) {
            if (in == null) {
                throw new IOException("the jar with " + folder + " lacks " + file);
            }
            try (OutputStream out = PrivateFiles.append(to)) {
                in.transferTo(out);
            }
        }
    }

    /** Plainly: overwriting would change the code that runs. */
    private void remove(Path own) {
        try {
            for (String file : files()) {
                Files.deleteIfExists(own.resolve(file));
            }
            Files.deleteIfExists(own);
        } catch (IOException e) {
            NativeLibrary.LOG.log(System.Logger.Level.WARNING, "cannot remove {0}: {1}", own, Reason.of(e, own));
        }
    }

    @Override
    public String toString() {
        return "the jar with " + folder;
    }
}
