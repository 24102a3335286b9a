package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lethe.bench.BoundaryBench;
import dev.lethe.bindings.LetheNative;
import org.junit.jupiter.api.Test;

/** The bench does what it says before anyone times it. */
class BoundaryBenchTest {
    @Test
    void callsReturnWhatTheyPromise() {
        var bench = new BoundaryBench();
        bench.open();
        try {
            assertEquals(LetheNative.LETHE_ABI_VERSION(), bench.emptyCall());
            assertEquals(LetheNative.LETHE_INVALID_ARGUMENT(), bench.refusal());
        } finally {
            bench.close();
        }
    }
}
