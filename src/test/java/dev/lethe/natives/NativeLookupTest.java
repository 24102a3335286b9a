package dev.lethe.natives;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.EngineException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where native libraries are looked for, and what is said when they are not there. */
class NativeLookupTest {
    @TempDir
    private Path folder;

    @Test
    void platformsAreNamedAsClassifiersAre() {
        assertEquals("linux-x86_64", NativeJar.platform("Linux", "amd64"));
        assertEquals("linux-aarch64", NativeJar.platform("Linux", "aarch64"));
        assertEquals("mac-os-x-aarch64", NativeJar.platform("Mac OS X", "aarch64"));
        assertNull(NativeJar.of("nothing"));
    }

    @Test
    void aNamedFolderIsTheOnlyPlaceToUnpack() {
        assertEquals(List.of(folder), NativeJar.places(folder.toString()));
        assertEquals(2, NativeJar.places(null).size());
    }

    @Test
    void libtorchLiesInLibOrWhereTheNameSays() throws IOException {
        Files.createDirectory(folder.resolve("lib"));
        Files.createFile(folder.resolve("lib").resolve(Libtorch.LIBRARY));
        var found = new Libtorch.Folder(folder.resolve("lib"), "X");
        assertEquals(found, Libtorch.folder("X", folder.toString(), null));
        assertEquals(found, Libtorch.folder("X", folder.resolve("lib").toString(), "2.13"), "no version is said");
        assertNull(Libtorch.folder("X", "", null));
    }

    @Test
    void anotherVersionIsRefusedAndSaysBoth() throws IOException {
        Files.createFile(folder.resolve(Libtorch.LIBRARY));
        Path archive = Files.createDirectory(folder.resolve("archive"));
        Files.writeString(folder.resolve("version.py"), "from typing import Optional\n__version__ = '2.9.1+cpu'\ndebug = False\n");
        Files.writeString(archive.resolve("build-version"), "2.13.0+cpu\n");
        assertEquals("2.9", Libtorch.version(folder));
        assertEquals("2.13", Libtorch.version(archive));
        Path libraries = Files.createDirectory(folder.resolve("lib"));
        Files.move(folder.resolve(Libtorch.LIBRARY), libraries.resolve(Libtorch.LIBRARY));
        refuses("X names libtorch 2.9 at " + folder + "; this build of Lethe needs 2.13",
                () -> Libtorch.folder("X", folder.toString(), "2.13"));
        refuses("X names " + archive + ", which has no lib/libtorch_cpu.so",
                () -> Libtorch.folder("X", archive.toString(), null));
    }

    @Test
    void aPythonWithoutTorchSaysSo() {
        assertEquals("it has no torch",
                assertThrows(IOException.class, () -> Libtorch.ofPython(List.of("true"))).getMessage());
        assertThrows(IOException.class, () -> Libtorch.ofPython(List.of(folder.resolve("none").toString())));
    }

    @Test
    void messagesSayWhatToDoInOneLine() {
        assertEquals("this JVM lets the class path load no native code; start it with --enable-native-access=ALL-UNNAMED",
                NativeLibrary.denied(getClass().getClassLoader().getUnnamedModule()));
        assertEquals("this JVM lets module java.base load no native code; start it with --enable-native-access=java.base",
                NativeLibrary.denied(Object.class.getModule()));
        assertTrue(NativeLibrary.absent("linux-x86_64").contains("dev.lethe:lethe with the classifier linux-x86_64"));
        assertTrue(NativeLibrary.absent("windows-11-x86_64").contains("there is none for windows-11-x86_64"));
        assertEquals("no libtorch 2.13 found: a; b. Add the dependency dev.lethe:lethe-libtorch-cpu with the classifier "
                + NativeJar.PLATFORM + ", or name the folder of one with -Dlethe.libtorch=DIR",
                Libtorch.none("2.13", List.of("a", "b")));
    }

    private static void refuses(String message, org.junit.jupiter.api.function.Executable what) {
        EngineException e = assertThrows(EngineException.class, what);
        assertEquals(message, e.getMessage());
        assertEquals(EngineException.Status.UNSUPPORTED, e.status());
    }
}
