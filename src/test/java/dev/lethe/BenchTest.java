package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lethe.bench.BoundaryBench;
import dev.lethe.bench.FactorBench;
import dev.lethe.bench.JniBench;
import dev.lethe.bench.LedgerBench;
import dev.lethe.bench.TextBench;
import dev.lethe.bindings.LetheNative;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The benches do what they say before anyone times them. */
class BenchTest {
    @Test
    void callsReturnWhatTheyPromise() {
        var bench = new BoundaryBench();
        bench.open();
        try {
            assertEquals(LetheNative.LETHE_ABI_VERSION(), bench.emptyCall());
            assertEquals(LetheNative.LETHE_INVALID_ARGUMENT(), bench.refusal());
            assertEquals(17744, bench.struct(), "numbers of all blocks: bases and eigenvalues");
            assertEquals(LetheNative.LETHE_OK(), bench.segment());
        } finally {
            bench.close();
        }
    }

    @Test
    void bothDoorsGiveTheSame() throws Throwable {
        assumeTrue(Files.exists(Path.of(System.getProperty("java.home"), "include", "jni.h")), "this JDK has no jni.h");
        var bench = new JniBench();
        bench.open();
        try {
            assertEquals(bench.emptyForeign(), bench.emptyJni());
            assertEquals(bench.emptyForeign(), bench.emptyCritical());
            assertEquals("value -1 is not allowed", bench.refusalForeign());
            assertEquals(bench.refusalForeign(), bench.refusalJni());
            assertEquals(3, bench.structForeign());
            assertEquals(3, bench.structJni());
            assertArrayEquals(new float[] {120, 120, 120, 120},
                    new float[] {bench.segmentForeign(), bench.heapCritical(), bench.arrayJni(), bench.addressJni()});
        } finally {
            bench.close();
        }
    }

    @Test
    void theLedgerBenchReadsWhatItCaptured() throws Exception {
        var bench = new LedgerBench();
        bench.open();
        try {
            bench.openWriter();
            assertEquals(256, bench.append());
            assertEquals(256, bench.append());
            bench.closeWriter();
            assertEquals(256, bench.dot().size());
        } finally {
            bench.close();
        }
    }

    @Test
    void theFactorBenchPassesOverOneBatch() {
        var bench = new FactorBench();
        bench.shape = "tiny";
        bench.open();
        try {
            double[] losses = bench.gradient();
            assertArrayEquals(losses, bench.covariances());
            assertArrayEquals(losses, bench.correction());
            assertTrue(bench.apply().norm() > 0);
        } finally {
            bench.close();
        }
    }

    @Test
    void theTextBenchFindsItsRecord() {
        var bench = new TextBench();
        bench.open();
        try {
            assertEquals(bench.characters(), bench.decode().length());
            assertEquals(1, bench.findId().size());
            assertEquals(10, bench.findSubject().size());
            assertEquals(1, bench.findText().size());
            assertTrue(bench.findFuzzy().size() >= 1);
        } finally {
            bench.close();
        }
    }
}
