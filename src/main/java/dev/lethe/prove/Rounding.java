/*
 * Whether "forgotten" survives the rounding that models are deployed with: edits too small for the grid are undone by it (arXiv
 * 2410.16454). Round to nearest, symmetric, a scale for each 64 weights in a row of memory; norms and biases stay, as with
 * bitsandbytes and GPTQ, the token table does not.
 */
package dev.lethe.prove;

import dev.lethe.engine.Buffer;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.ParameterVector;
import dev.lethe.results.Row;
import java.util.ArrayList;
import java.util.List;

final class Rounding extends Attack {
    static final int GROUP = 64;
    private static final int CHUNK = GROUP << 14;

    Rounding() {
        super("rounding",
                "With its weights rounded to 8 or 4 bits, as models are deployed, does the model know again what it was made to"
                + " forget?",
                "quantization restores unlearned knowledge (arXiv 2410.16454)");
    }

    @Override
    String undecided(Bench bench) {
        return bench.erased().model().shape().hasAdapters()
                ? "no verdict on an adapter, which is deployed on a base: merge the two and prove that" : null;
    }

    @Override
    List<Row> rows(Suspect suspect, Bench bench) {
        LanguageModel model = suspect.model();
        if (model.shape().hasAdapters()) {
            return List.of();
        }
        List<Row> rows = new ArrayList<>();
        rows.add(row("as it is", suspect, bench).asBaseline());
        try (ParameterVector weights = model.buffer(Buffer.PARAMETERS).copy()) {
            for (int bits : new int[] {8, 4}) {
                round(model, bits);
                rows.add(row(bits + " bits", suspect, bench));
                model.buffer(Buffer.PARAMETERS).assign(weights);
                bench.progress(rows.size() - 1, 2);
            }
        }
        return rows;
    }

    private static Row row(String measure, Suspect suspect, Bench bench) {
        return Rows.ofLosses(measure, suspect.name(), Bench.losses(suspect, bench.erasedExamples()),
                Bench.losses(suspect, bench.controlExamples()));
    }

    /** Rounds every matrix in place. */
    static void round(LanguageModel model, int bits) {
        ParameterVector parameters = model.buffer(Buffer.PARAMETERS);
        for (TensorInfo tensor : model.tensors()) {
            for (long from = 0; tensor.dimensions() == 2 && from < tensor.count(); from += CHUNK) {
                float[] values = parameters.readFloats(tensor.offset() + from, (int) Math.min(CHUNK, tensor.count() - from));
                round(values, bits);
                parameters.writeFloats(tensor.offset() + from, values);
            }
        }
    }

    /** w → scale · round(w / scale), scale = max |w| of the group / (2^(bits − 1) − 1); a half goes to the even one. */
    static void round(float[] values, int bits) {
        int levels = (1 << bits - 1) - 1;
        for (int start = 0; start < values.length; start += GROUP) {
            int end = Math.min(values.length, start + GROUP);
            float largest = 0;
            for (int i = start; i < end; i++) {
                largest = Math.max(largest, Math.abs(values[i]));
            }
            float scale = largest / levels;
            for (int i = start; i < end && scale > 0; i++) {
                values[i] = scale * (float) Math.rint(values[i] / scale);
            }
        }
    }
}
