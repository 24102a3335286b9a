package dev.lethe.console;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a terminal is shown of other people's words, and whether results got out. */
class TerminalTest {
    @TempDir
    Path folder;

    @Test
    void controlCharactersAreShownAndLettersStay() {
        assertEquals("a\\u001b[2Jb\\u009bc\\u202ed\\u2066e\\u2028f\\u007f", Terminal.visible("a\u001b[2Jb\u009bc\u202ed\u2066e\u2028f\u007f"));
        String words = "Zoë, 佐野蓮, 𠮷川悠, سَلْمَى, می‌خواهم, 👩‍🌾\n"; // joiners are part of words
        assertEquals(words, Terminal.visible(words));
    }

    @Test
    void aValueNeverBeginsALine() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        new Terminal(out, OutputStream.nullOutputStream(), () -> 0).print("%s %,d %.1f %s", "a\nb\r", 1234, 0.5, null);
        assertEquals("a\\nb\\u000d 1,234 0.5 null" + System.lineSeparator(), out.toString(StandardCharsets.UTF_8));
    }

    @Test
    void aMutedTerminalShowsResultsAlone() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Terminal terminal = new Terminal(out, err, () -> 0);
        terminal.say("before");
        terminal.mute();
        terminal.say("after");
        terminal.err().print('x');
        terminal.print("result");
        assertEquals("lethe: before" + System.lineSeparator(), err.toString(StandardCharsets.UTF_8));
        assertEquals("result" + System.lineSeparator(), out.toString(StandardCharsets.UTF_8));
    }

    @Test
    void aFailureOfStdoutIsKeptUnlessItsReaderLeft() {
        assertEquals("No space left on device", after("No space left on device").getMessage());
        assertNull(after("Broken pipe"));
        assertNull(after(null));
    }

    private static IOException after(String failure) {
        Terminal terminal = new Terminal(new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                if (failure != null) {
                    throw new IOException(failure);
                }
            }
        }, OutputStream.nullOutputStream(), () -> 0);
        terminal.print("a");
        return terminal.failure();
    }

    @Test
    void aLineOfProgressFitsItsWindow() {
        List<String> figures = List.of("120/225", "0:07 left", "epoch 8/15", "loss 0.345", "12,345 tokens/s");
        String bar = "[====================    ] ";
        assertEquals("train " + bar + "120/225, 0:07 left, epoch 8/15, loss 0.345, 12,345 tokens/s",
                Progress.fitted("train", bar, figures, 199));
        assertEquals("train 120/225, 0:07 left, epoch 8/15, loss 0.345", Progress.fitted("train", bar, figures, 59));
        assertEquals("train 120/2", Progress.fitted("train", bar, figures, 11));

        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int[] columns = {60};
        Terminal terminal = new Terminal(OutputStream.nullOutputStream(), err, () -> columns[0]);
        Progress progress = new Progress(terminal);
        progress.update("train", 1, 225, "epoch 1/15, loss 3.345, 12,345 tokens/s");
        columns[0] = 30; // the window is made smaller
        progress.update("train", 225, 225, "epoch 15/15, loss 0.345, 12,345 tokens/s");
        terminal.say("a remark");
        progress.close();
        assertTrue(err.toString(StandardCharsets.UTF_8).matches("\r\u001b\\[Jtrain 1/225, \\d:\\d\\d left, epoch 1/15, loss 3\\.345\r"
                + "\r\u001b\\[Jtrain 225/225, 0:00\r\r\u001b\\[Jtrain 225/225, 0:00\nlethe: a remark\n"),
                Terminal.visible(err.toString(StandardCharsets.UTF_8)));
    }

    /** Only that stderr is a terminal counts, and what is written into a file has no control code, whatever stdout is. */
    @Test
    void aPseudoterminalIsToldFromAFile() throws Exception {
        Path script = Path.of("/usr/bin/script");
        assumeTrue(Files.isExecutable(script), "util-linux");
        String java = String.join(" ", Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xshare:auto",
                "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED", "-cp", "'" + System.getProperty("java.class.path") + "'",
                "'" + Shown.class.getName() + "'");
        Path file = folder.resolve("stderr");
        Process process = new ProcessBuilder(script.toString(), "-qec", "stty cols 60; " + java + " >/dev/null; " + java + " 2>" + file,
                "/dev/null").redirectErrorStream(true).redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null"))).start();
        String shown = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor());
        assertTrue(shown.matches("(?s)(\r\u001b\\[Jtrain 225/225, 0:00, epoch 15/15, loss 0\\.345(, 12,345)?\r){2}\r?\n"),
                Terminal.visible(shown));
        assertEquals("lethe: train 225/225, 0:00, epoch 15/15, loss 0.345, 12,345 tokens/s\n", Files.readString(file));
    }

    /** What that test runs. */
    static final class Shown {
        public static void main(String[] arguments) {
            try (Progress progress = new Progress(Terminal.ofProcess())) {
                progress.update("train", 225, 225, "epoch 15/15, loss 0.345, 12,345 tokens/s");
            }
        }
    }

    @Test
    void aFileIsGivenNoControlCodes() {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Progress progress = new Progress(new Terminal(OutputStream.nullOutputStream(), err, () -> 0));
        progress.update("train", 225, 225, "epoch 15/15");
        progress.close();
        assertEquals("lethe: train 225/225, 0:00, epoch 15/15\n", err.toString(StandardCharsets.UTF_8));
    }
}
