/*
 * Records as prompts: what is given of each, what should follow, and how much of it a model says, by ROUGE-L recall and by the
 * record's rarest words.
 */
package dev.lethe.prove;

import dev.lethe.data.TextRecord;
import dev.lethe.engine.Generation;
import dev.lethe.engine.Work;
import dev.lethe.eval.Continuations;
import dev.lethe.metric.Rouge;
import dev.lethe.results.Row;
import dev.lethe.text.Example;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/** Belongs to the thread that made it. */
final class Prompts {
    /** The most records of a side that are asked to be continued. */
    static final int MOST_RECORDS = 50;
    private static final int RECORDS_PER_BATCH = 64;
    /** A continuation may be as long as the record's and this much more. */
    private static final int SPARE_TOKENS = 8;

    private final Bench bench;
    private final List<Asked> asked = new ArrayList<>();
    private final int longest;

    /** @param rare runs of words that the record alone says */
    private record Asked(int[] prompt, String wanted, boolean reads, Set<List<String>> rare) { }

    /**
     * How much of each record one text says.
     *
     * @param rouge shares, NaN where ROUGE cannot read the record
     * @param rare  of its rare runs, those said
     */
    record Said(double[] rouge, List<Set<List<String>>> rare) { }

    /** Records without anything to continue are left out. */
    Prompts(Bench bench, List<TextRecord> records) {
        this.bench = bench;
        int most = 1;
        for (Example example : bench.material.encode(records)) {
            Continuations.Split split = example == null ? null
                    : Continuations.Split.of(example, bench.material.tokenizer().endOfText());
            if (split != null && split.wanted().length > 0) {
                String wanted = bench.material.decode(split.wanted()).strip();
                asked.add(new Asked(split.prompt(), wanted, Rouge.reads(wanted),
                        bench.rareWords.of(bench.material.decode(split.prompt()), wanted)));
                most = Math.max(most, split.wanted().length);
            }
        }
        longest = most + SPARE_TOKENS;
    }

    int size() {
        return asked.size();
    }

    /** How many runs of words only this record says. */
    int rare(int record) {
        return asked.get(record).rare.size();
    }

    /** The likeliest text after each prompt. */
    Said greedy(Suspect suspect) {
        return said(suspect, 1, 0);
    }

    /** One text drawn after each prompt at temperature 1; another seed, another text. */
    Said sampled(Suspect suspect, long seed) {
        return said(suspect, 0, seed);
    }

    private Said said(Suspect suspect, int topK, long seed) {
        double[] rouge = new double[asked.size()];
        List<Set<List<String>>> rare = new ArrayList<>();
        Generation options = new Generation(longest, topK, 1.0, seed, bench.material.tokenizer().endOfText());
        for (int start = 0; start < asked.size(); start += RECORDS_PER_BATCH) {
            Work.check("proof interrupted");
            List<Asked> some = asked.subList(start, Math.min(asked.size(), start + RECORDS_PER_BATCH));
            int[][] generated = suspect.model().generate(some.stream().map(Asked::prompt).toList(), options);
            for (int i = 0; i < generated.length; i++) {
                String text = bench.material.decode(generated[i]);
                Asked one = some.get(i);
                rouge[start + i] = one.reads ? Rouge.score(one.wanted, text, true).rougeL().recall() : Double.NaN;
                rare.add(RareWords.said(one.rare, text));
            }
        }
        return new Said(rouge, rare);
    }

    /** Which records these texts give away. */
    boolean[] given(Said said) {
        boolean[] given = new boolean[asked.size()];
        for (int i = 0; i < given.length; i++) {
            given[i] = RareWords.extracts(said.rare.get(i).size(), rare(i));
        }
        return given;
    }

    static Row.Extracted extracted(boolean[] erased, boolean[] controls) {
        return new Row.Extracted(count(erased), erased.length, count(controls), controls.length);
    }

    private static int count(boolean[] given) {
        return (int) IntStream.range(0, given.length).filter(i -> given[i]).count();
    }
}
