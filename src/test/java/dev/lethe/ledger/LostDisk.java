package dev.lethe.ledger;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Lets a file that this process has open fail from now on as on a broken disk (Linux): no write, sync or cut succeeds. */
final class LostDisk {
    private static final int O_RDONLY = 0;

    private LostDisk() {}

    /** Puts something that is neither written nor synced in the place of every descriptor of that file. */
    static void under(Path file) throws IOException {
        List<Integer> descriptors = descriptors(file.toRealPath());
        assertTrue(!descriptors.isEmpty(), file + " is not open");
        int full;
        try (Arena arena = Arena.ofConfined()) {
            full = call("open", arena.allocateFrom("/dev/full"), O_RDONLY);
        }
        for (int descriptor : descriptors) assertEquals(descriptor, call("dup2", full, descriptor));
        assertEquals(0, call("close", full));
    }

    /** Files of that folder which this process has open, and what took their place. */
    static List<Path> openFiles(Path folder) throws IOException {
        List<Path> files = new ArrayList<>();
        for (Path link : links()) {
            Path target = target(link);
            if (target.startsWith(folder.toRealPath()) || target.equals(Path.of("/dev/full"))) files.add(target);
        }
        return files;
    }

    private static List<Integer> descriptors(Path file) throws IOException {
        return links().stream().filter(link -> target(link).equals(file))
                .map(link -> Integer.valueOf(link.getFileName().toString())).toList();
    }

    private static List<Path> links() throws IOException {
        try (Stream<Path> links = Files.list(Path.of("/proc/self/fd"))) {
            return links.toList();
        }
    }

    private static Path target(Path link) {
        try {
            return Files.readSymbolicLink(link);
        } catch (IOException e) {
            return link; // the listing's own, closed by now
        }
    }

    private static int call(String name, Object... arguments) {
        Linker linker = Linker.nativeLinker();
        FunctionDescriptor type = FunctionDescriptor.of(ValueLayout.JAVA_INT, Stream.of(arguments)
                .map(a -> a instanceof MemorySegment ? ValueLayout.ADDRESS : ValueLayout.JAVA_INT)
                .toArray(MemoryLayout[]::new));
        Linker.Option[] options = name.equals("open") ? new Linker.Option[] {Linker.Option.firstVariadicArg(2)}
                : new Linker.Option[0];
        MethodHandle function = linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type, options);
        try {
            return (int) function.invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
