package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** What a terminal is shown of other people's words, and whether results got out. */
class TerminalTest {
    @Test
    void controlCharactersAreShownAndLettersStay() {
        assertEquals("a\\u001b[2Jb\\u009bc\\u202ed\\u2066e\\u2028f\\u007f", Terminal.visible("a\u001b[2Jb\u009bc\u202ed\u2066e\u2028f\u007f"));
        String words = "Zoë, 佐野蓮, 𠮷川悠, سَلْمَى, می‌خواهم, 👩‍🌾\n"; // joiners are part of words
        assertEquals(words, Terminal.visible(words));
    }

    @Test
    void aValueNeverBeginsALine() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        new Terminal(out, OutputStream.nullOutputStream(), false).print("%s %,d %.1f %s", "a\nb\r", 1234, 0.5, null);
        assertEquals("a\\nb\\u000d 1,234 0.5 null" + System.lineSeparator(), out.toString(StandardCharsets.UTF_8));
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
        }, OutputStream.nullOutputStream(), false);
        terminal.print("a");
        return terminal.failure();
    }
}
