package dev.lethe.strategy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.results.TrainListener;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Contrast;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.SiteSet;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What is taken out of a direction is really out of it, by inner products that do not share the code under test. */
@ExtendWith(NoLeaks.class)
class ContrastTest {
    @TempDir
    Path folder;
    private Engine engine;
    private RunFolder run;
    private LanguageModel model;
    private GradientLedger ledger;

    @BeforeEach
    void train() {
        engine = Engine.cpu();
        TinyData tiny = new TinyData(folder, 6);
        run = Trainer.train(engine, tiny.source, tiny.data, folder.resolve("run"), TinyData.config().build(),
                TrainListener.silent());
        model = Checkpoint.load(engine, run.model(), Dtype.F32);
        ledger = GradientLedger.open(run.ledger());
    }

    @AfterEach
    void close() {
        ledger.close();
        model.close();
        engine.close();
    }

    private double product(Entry entry, ParameterVector direction, SiteSet sites) {
        try (ParameterVector dense = model.vector()) {
            model.entries().accumulate(ledger.format(model), List.<MemorySegment>of(ledger.payload(entry)), new double[] {1}, sites,
                    dense);
            return dense.dot(direction, sites) / Math.sqrt(dense.dot(dense, sites) * direction.dot(direction, sites));
        }
    }

    @Test
    void aFullSpanLeavesNoRetainGradient() {
        SiteSet sites = model.sites("embedding");
        List<Entry> retain = ledger.entries().subList(3, 9);
        try (ParameterVector direction = model.vector()) {
            forget(direction, sites);
            double removed = new RetainSpan(model, ledger, sites, retain, Contrast.span(6)).removeFrom(direction);
            assertTrue(removed > 0 && removed < 1, "removed share " + removed);
            for (Entry entry : retain) {
                assertEquals(0, product(entry, direction, sites), 1e-4, "cosine with " + entry);
            }
        }
    }

    @Test
    void theMeanContrastLeavesNoMeanGradient() {
        SiteSet sites = model.sites("all");
        List<Entry> retain = ledger.entries().subList(3, 9);
        try (ParameterVector direction = model.vector(); ParameterVector mean = model.vector()) {
            forget(direction, sites);
            new RetainSpan(model, ledger, sites, retain, new Contrast(Contrast.Kind.MEAN, 1)).removeFrom(direction);
            double[] ones = new double[retain.size()];
            Arrays.fill(ones, 1);
            model.entries().accumulate(ledger.format(model), retain.stream().map(ledger::payload).toList(), ones, sites, mean);
            assertEquals(0, mean.dot(direction, sites) / Math.sqrt(mean.dot(mean) * direction.dot(direction)), 1e-4);
        }
    }

    @Test
    void contrastsAreReadAndWritten() {
        for (String text : List.of("none", "mean", "span:50")) {
            assertEquals(text, Contrast.parse(text).toString());
        }
        assertEquals("unknown contrast 'span:0'; write none, mean or span:R, for example span:50",
                assertThrows(IllegalArgumentException.class, () -> Contrast.parse("span:0")).getMessage());
    }

    private void forget(ParameterVector direction, SiteSet sites) {
        model.entries().accumulate(ledger.format(model), ledger.entries().subList(0, 3).stream().map(ledger::payload).toList(),
                new double[] {1, 1, 1}, sites, direction);
    }
}
