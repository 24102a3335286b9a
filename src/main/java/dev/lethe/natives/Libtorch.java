/*
 * Where libtorch is. A folder that somebody named counts, in this order: Engine.libtorch, -Dlethe.libtorch, LETHE_LIBTORCH; what
 * is wrong with it is an error. Then what is there: the jar dev.lethe:lethe-libtorch-cpu, the torch of the python3 on PATH.
 * Nothing is downloaded, and no folder is tried that nobody named. A message about none names all of them.
 */
package dev.lethe.natives;

import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.base.Reason;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One libtorch: a folder that holds libtorch_cpu.so, or a jar. */
public sealed interface Libtorch {
    String LIBRARY = "libtorch_cpu.so";
    Pattern VERSION = Pattern.compile("(?m)^(?:__version__\\s*=\\s*['\"])?(\\d+\\.\\d+)[.\\d]*");
    long PYTHON_SECONDS = 30;

    /** Loads it into the process. */
    void load();

    /** @param named what names it, for messages */
    record Folder(Path libraries, String named) implements Libtorch {
        @Override
        public void load() {
            Path file = libraries.resolve(LIBRARY);
            try {
                NativeLibrary.open(file);
            } catch (UnsatisfiedLinkError e) {
                throw new EngineException(Status.UNSUPPORTED, "libtorch, by " + named + ": "
                        + NativeLibrary.unloadable(file, Reason.of(e).replace(file + ": ", "")), e);
            }
            try { // only a liblethe with CUDA asks for it, and then says that it is missing
                NativeLibrary.open(libraries.resolve("libtorch_cuda.so"));
            } catch (UnsatisfiedLinkError e) {
                NativeLibrary.LOG.log(System.Logger.Level.DEBUG, "libtorch without CUDA: {0}", Reason.of(e));
            }
        }
    }

    /** The jar that our build makes of the wheel. */
    record Jar(NativeJar jar) implements Libtorch {
        @Override
        public void load() {
            jar.load(LIBRARY);
        }
    }

    /**
     * The libtorch that somebody named, null when nobody did.
     *
     * @param version needed, as in 2.13; null when any may do
     * @throws EngineException UNSUPPORTED when there is none where the name says, or of another version
     */
    static Libtorch named(String version) {
        Path set = Chosen.folder;
        Libtorch named = set == null ? null : folder("Engine.libtorch", set.toString(), version);
        named = named != null ? named : folder("-Dlethe.libtorch", System.getProperty("lethe.libtorch"), version);
        return named != null ? named : folder("LETHE_LIBTORCH", System.getenv("LETHE_LIBTORCH"), version);
    }

    /** As {@link #named}, or else one that is there. @throws EngineException also when there is none, with all that was tried */
    static Libtorch find(String version) {
        Libtorch named = named(version);
        if (named != null) {
            return named;
        }
        List<String> tried = new ArrayList<>(List.of("Engine.libtorch, -Dlethe.libtorch and LETHE_LIBTORCH name none"));
        NativeJar jar = NativeJar.of("libtorch");
        if (jar != null && fits(jar.property("version"), version)) {
            return new Jar(jar);
        }
        tried.add(jar == null ? "no jar lethe-libtorch-cpu for " + NativeJar.PLATFORM + " is on the class path"
                : "the jar lethe-libtorch-cpu has " + jar.property("version"));
        try {
            Path torch = ofPython(List.of("python3"));
            if (fits(version(torch), version)) {
                return new Folder(torch.resolve("lib"), "python3's torch");
            }
            tried.add("python3's torch at " + torch + " is " + version(torch));
        } catch (IOException e) {
            tried.add("python3 on PATH: " + Reason.of(e));
        }
        throw new EngineException(Status.UNSUPPORTED, none(version, tried));
    }

    static String none(String version, List<String> tried) {
        return "no libtorch" + (version == null ? "" : " " + version) + " found: " + String.join("; ", tried)
                + ". Add the dependency dev.lethe:lethe-libtorch-cpu with the classifier " + NativeJar.PLATFORM
                + ", or name the folder of one with -Dlethe.libtorch=DIR";
    }

    /** The folder an option names, null where it names none: site-packages/torch, an unpacked archive, or their lib/. */
    static Libtorch folder(String option, String value, String version) {
        if (value == null || value.isEmpty()) {
            return null;
        }
        Path folder = Path.of(value).toAbsolutePath();
        Path libraries = Files.exists(folder.resolve("lib").resolve(LIBRARY)) ? folder.resolve("lib") : folder;
        if (!Files.exists(libraries.resolve(LIBRARY))) {
            throw new EngineException(Status.UNSUPPORTED, option + " names " + folder + ", which has no lib/" + LIBRARY);
        }
        String found = version(libraries.getParent());
        if (!fits(found, version)) {
            throw new EngineException(Status.UNSUPPORTED, option + " names libtorch " + found + " at " + folder
                    + "; this build of Lethe needs " + version);
        }
        return new Folder(libraries, option);
    }

    /** A version that cannot be told is given a try. */
    private static boolean fits(String found, String needed) {
        return found == null || needed == null || found.equals(needed) || found.startsWith(needed + ".");
    }

    /** As in 2.13, null when no file says it; a wheel has one of them and an archive the other. */
    static String version(Path folder) {
        for (String name : List.of("version.py", "build-version")) {
            try {
                Matcher version = VERSION.matcher(Files.readString(folder.resolve(name)));
                if (version.find()) {
                    return version.group(1);
                }
            } catch (IOException e) {
                // then the other
            }
        }
        return null;
    }

    /** Where Python's torch lies; asked from /, so that a folder called torch where the process stands is not taken for it. */
    static Path ofPython(List<String> python) throws IOException {
        List<String> command = new ArrayList<>(python);
        command.addAll(List.of("-c", "import importlib.util as u; s = u.find_spec('torch');"
                + " print(s.submodule_search_locations[0] if s else '')"));
        Process process;
        try {
            process = new ProcessBuilder(command).directory(Path.of("/").toFile())
                    .redirectError(ProcessBuilder.Redirect.DISCARD).start();
        } catch (IOException e) {
            throw new IOException("there is none that can be run", e);
        }
        try {
            process.getOutputStream().close();
            if (!process.waitFor(PYTHON_SECONDS, TimeUnit.SECONDS)) {
                throw new IOException("it did not answer in " + PYTHON_SECONDS + " s");
            }
            String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            if (said.isEmpty() || !Files.exists(Path.of(said, "lib", LIBRARY))) {
                throw new IOException("it has no torch");
            }
            return Path.of(said);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("the question was interrupted", e);
        } finally {
            process.destroyForcibly();
        }
    }

    /** What {@code Engine.libtorch} set. */
    final class Chosen {
        public static volatile Path folder;

        private Chosen() { }
    }
}
