/*
 * Whether the model says a record when it is given its beginning: at its likeliest, and in 128 draws at temperature 1. What a
 * greedy answer hides, many draws give away (leak@k, arXiv 2511.04934).
 */
package dev.lethe.prove;

import dev.lethe.data.TextRecord;
import dev.lethe.results.Row;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

final class Regurgitation extends Attack {
    static final int SAMPLES = 128;

    Regurgitation() {
        super("regurgitation",
                "Given a record's beginning, does the model go on with it, at its likeliest or in one of "
                + SAMPLES + " tries?",
                "extraction (Carlini 2021, arXiv 2012.07805), leak@k (arXiv 2511.04934), ROUGE-L (Lin 2004)");
    }

    @Override
    List<Row> rows(Suspect suspect, Bench bench) {
        Side erased = new Side(prompts(bench, bench.material.erased()), suspect, bench, 0);
        Side controls = new Side(prompts(bench, bench.material.controls()), suspect, bench, SAMPLES);
        List<Row> rows = new ArrayList<>();
        rows.add(row("greedy", suspect, erased.greedy.rouge(), controls.greedy.rouge())
                .with(Prompts.extracted(erased.prompts.given(erased.greedy), controls.prompts.given(controls.greedy))));
        for (int k = 1; k <= SAMPLES; k *= 2) {
            rows.add(row("leak@" + k, suspect, erased.bestOf(k), controls.bestOf(k)));
        }
        rows.add(row("rarest words in " + SAMPLES, suspect, erased.rareShare(), controls.rareShare())
                .with(Prompts.extracted(erased.out, controls.out)));
        return rows;
    }

    private static Prompts prompts(Bench bench, List<TextRecord> records) {
        return new Prompts(bench, Material.spread(records, Prompts.MOST_RECORDS));
    }

    private static Row row(String measure, Suspect suspect, double[] erased, double[] controls) {
        return Rows.ofShares(measure, suspect.name(), erased, controls);
    }

    /** What all samples of one side's records say. */
    private static final class Side {
        private final Prompts prompts;
        private final Prompts.Said greedy;
        private final double[][] rouge; // [records][samples]
        private final List<Set<List<String>>> said; // by record, its rare runs that some sample says
        private final boolean[] out;

        Side(Prompts prompts, Suspect suspect, Bench bench, int before) {
            this.prompts = prompts;
            greedy = prompts.greedy(suspect);
            rouge = new double[prompts.size()][SAMPLES];
            said = Stream.generate(() -> (Set<List<String>>) new HashSet<List<String>>()).limit(prompts.size()).toList();
            out = new boolean[prompts.size()];
            for (int s = 0; s < SAMPLES; ) {
                for (Prompts.Said sample : prompts.sampled(suspect, s + 1L, Math.min(prompts.together(), SAMPLES - s))) {
                    boolean[] given = prompts.given(sample);
                    for (int i = 0; i < out.length; i++) {
                        rouge[i][s] = sample.rouge()[i];
                        said.get(i).addAll(sample.rare().get(i));
                        out[i] |= given[i];
                    }
                    s++;
                }
                bench.progress(before + s, 2 * SAMPLES);
            }
        }

        double[] bestOf(int k) {
            return Arrays.stream(rouge).mapToDouble(samples -> Chances.bestOf(k, samples)).toArray();
        }

        double[] rareShare() {
            return IntStream.range(0, out.length).mapToDouble(i -> (double) said.get(i).size() / prompts.rare(i)).toArray();
        }
    }
}
