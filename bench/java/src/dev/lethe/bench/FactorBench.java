package dev.lethe.bench;

import dev.lethe.engine.Batch;
import dev.lethe.engine.Engine;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ParameterVector;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What do the passes of EK-FAC cost beside a gradient of the same batch? Every site, fp32, 8 records of 64 tokens (tiny:
 * 2 of 8). gradient: forward and backward; covariances: a batch of the first pass; correction: one of the second; apply:
 * the damped inverse of one vector. Not timed: the decomposition between them, which the set-up makes (minutes at 124m).
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class FactorBench {
    /** tiny for the smoke test, 4x256 with GPT-2's vocabulary, or GPT-2 124M. */
    @Param({"4x256"})
    public String shape = "4x256";

    private Engine engine;
    private LanguageModel model;
    private Batch batch;
    private KroneckerFactors first;
    private KroneckerFactors second;
    private ParameterVector in;
    private ParameterVector out;

    /** One set of factors in each stage. */
    @Setup
    public void open() {
        engine = Engine.cpu();
        model = engine.model(switch (shape) {
            case "tiny" -> new ModelShape(50, 8, 8, 2, 1, 32, 1e-5, true);
            case "124m" -> new ModelShape(50257, 1024, 768, 12, 12, 3072, 1e-5, true);
            default -> new ModelShape(50257, 128, 256, 4, 4, 1024, 1e-5, true);
        }, Dtype.F32);
        model.initialize(1);
        boolean tiny = shape.equals("tiny");
        SplittableRandom random = new SplittableRandom(0);
        List<int[]> tokens = new ArrayList<>();
        for (int b = 0; b < (tiny ? 2 : 8); b++) {
            tokens.add(random.ints(tiny ? 8 : 64, 0, (int) model.shape().vocabulary()).toArray());
        }
        batch = Batch.of(tokens, tokens.stream().map(ids -> Batch.shift(ids, 0)).toList());
        first = factors();
        second = factors();
        second.accumulate(batch);
        second.decompose();
        in = model.vector();
        in.random(ParameterVector.Distribution.NORMAL, 1);
        out = model.vector();
    }

    private KroneckerFactors factors() {
        return model.factors(new KroneckerFactors.Spec(model.sites("all"), Fisher.EMPIRICAL, 0));
    }

    @Benchmark
    public double[] gradient() {
        return model.gradient(batch);
    }

    @Benchmark
    public double[] covariances() {
        return first.accumulate(batch);
    }

    @Benchmark
    public double[] correction() {
        return second.accumulate(batch);
    }

    @Benchmark
    public ParameterVector apply() {
        second.apply(1e-3, 0.1, -1, in, out);
        return out;
    }

    @TearDown
    public void close() {
        out.close();
        in.close();
        second.close();
        first.close();
        model.close();
        engine.close();
    }
}
