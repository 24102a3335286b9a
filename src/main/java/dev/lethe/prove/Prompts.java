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
import java.util.stream.Stream;

/** Belongs to the thread that made it. */
final class Prompts {
    /** The most records of a side that are asked to be continued. */
    static final int MOST_RECORDS = 50;
    /** The most continuations made at once: each step reads the weights once for all of them. */
    private static final int MOST_ROWS = 128;
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
     * @param again share of the words that the text has said before: 1 less distinct-1 (Li et al. 2016, arXiv 1510.03055); 1 of a text
     *              without words, for silence tells as much
     */
    record Said(double[] rouge, List<Set<List<String>>> rare, double[] again) { }

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
        return said(suspect, 1, 0, 1).getFirst();
    }

    /** How many texts {@link #sampled} draws well at once. */
    int together() {
        return Math.max(1, MOST_ROWS / Math.max(1, size()));
    }

    /** So many texts drawn after each prompt at temperature 1, of seeds that count from this one; another seed, another text. */
    List<Said> sampled(Suspect suspect, long firstSeed, int draws) {
        return said(suspect, 0, firstSeed, draws);
    }

    private List<Said> said(Suspect suspect, int topK, long firstSeed, int draws) {
        List<Said> all = Stream.generate(() -> new Said(new double[size()], new ArrayList<>(), new double[size()])).limit(draws).toList();
        Generation options = new Generation(longest, topK, 1.0, firstSeed, bench.material.tokenizer().endOfText());
        int most = MOST_ROWS / draws;
        for (int start = 0; start < size(); start += most) {
            Work.check("proof interrupted");
            List<Asked> some = asked.subList(start, Math.min(size(), start + most));
            List<int[]> prompts = new ArrayList<>();
            long[] seeds = new long[draws * some.size()];
            for (int i = 0; i < seeds.length; i++) {
                prompts.add(some.get(i % some.size()).prompt);
                seeds[i] = firstSeed + i / some.size();
            }
            int[][] generated = suspect.model().generate(prompts, options, seeds);
            for (int i = 0; i < generated.length; i++) {
                String text = bench.material.decode(generated[i]);
                Asked one = some.get(i % some.size());
                Said said = all.get(i / some.size());
                said.rouge[start + i % some.size()] = one.reads ? Rouge.score(one.wanted, text, true).rougeL().recall() : Double.NaN;
                said.rare.add(RareWords.said(one.rare, text));
                List<String> words = RareWords.words(text);
                said.again[start + i % some.size()] = words.isEmpty() ? 1 : 1 - (double) Set.copyOf(words).size() / words.size();
            }
        }
        return all;
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
