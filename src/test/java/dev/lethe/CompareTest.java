package dev.lethe;

import dev.lethe.testing.Python;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** bench/compare's two sides compute the same before anyone times them. */
class CompareTest {
    @TempDir
    Path folder;

    @Test
    void bothSidesAgree() throws Exception {
        Python.assume("torch", "transformers", "numpy");
        Python.script("../../../bench/python/compare.py", "--check", "--ops", "train,records,ragged,ascent,influence,curvature,erase",
                "--out", folder.resolve("out"), "--java", Path.of(System.getProperty("java.home"), "bin", "java"),
                "--native", Path.of(System.getProperty("lethe.native")).toAbsolutePath(),
                "--classpath", System.getProperty("java.class.path"));
    }
}
