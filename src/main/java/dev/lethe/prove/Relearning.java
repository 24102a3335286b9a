/*
 * Whether what was erased comes back when the model is trained a little: on other erased records of the same subject, and on text
 * that has nothing to do with them (relearning, arXiv 2406.13356). Beside it never-seen records after as many steps on others of
 * their subjects: what generalises by itself is no memory.
 */
package dev.lethe.prove;

import dev.lethe.data.TextRecord;
import dev.lethe.engine.AdamW;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.ParameterVector;
import dev.lethe.engine.Work;
import dev.lethe.results.Row;
import dev.lethe.text.Example;
import dev.lethe.train.FineTune;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

final class Relearning extends Attack {
    static final List<Integer> STEPS = List.of(0, 5, 10, 20, 50);
    /** Records shown at most; the others are asked for. */
    private static final int MOST_SHOWN = 32;
    private static final int CURVES = 3;
    /** Of the training's peak, as the erasure's own probe has it. */
    private static final double RATE = 0.1;

    /** Some records to be shown, and others to be asked for. */
    private record Halves(List<Example> shown, List<Example> asked) {
        boolean empty() {
            return shown.isEmpty() || asked.isEmpty();
        }
    }

    Relearning() {
        super("relearning",
                "Trained for a few steps on other records, does the model know again what it was made to forget?",
                "benign relearning (arXiv 2406.13356), unlearn-relearn attack (arXiv 2310.08320)");
    }

    @Override
    String undecided(Bench bench) {
        return bench.material.erased().size() > 1 ? null
                : "no verdict with one erased record: there is no other of its kind to be shown";
    }

    @Override
    List<Row> rows(Suspect suspect, Bench bench) {
        List<Row> rows = new ArrayList<>();
        Halves erased = halves(bench.material.erased(), bench);
        Halves controls = halves(bySubject(bench.material.controls(), bench.material.erased().size()), bench);
        if (!erased.empty() && !controls.empty()) {
            List<double[]> mine = curve(suspect, bench, 0, erased.shown, List.of(erased.asked));
            List<double[]> others = curve(suspect, bench, 1, controls.shown, List.of(controls.asked));
            add(rows, "same subject", suspect, mine, others);
        }
        List<Example> unrelated = there(bench.material.encode(Material.spread(bench.material.kept(), MOST_SHOWN)));
        if (!unrelated.isEmpty()) {
            List<double[]> both = curve(suspect, bench, 2, unrelated, List.of(bench.erasedExamples(), bench.controlExamples()));
            List<double[]> mine = new ArrayList<>();
            List<double[]> others = new ArrayList<>();
            for (int i = 0; i < both.size(); i += 2) {
                mine.add(both.get(i));
                others.add(both.get(i + 1));
            }
            add(rows, "unrelated text", suspect, mine, others);
        }
        return rows;
    }

    private static void add(List<Row> rows, String what, Suspect suspect, List<double[]> erased, List<double[]> controls) {
        for (int i = 0; i < STEPS.size(); i++) {
            Row row = Rows.ofLosses(what + ", " + STEPS.get(i) + " steps", suspect.name(), erased.get(i), controls.get(i));
            rows.add(STEPS.get(i) == 0 ? row.asBaseline() : row);
        }
    }

    /** Losses of each group after each number of steps on what is shown, group by group; the weights end as they were. */
    private static List<double[]> curve(Suspect suspect, Bench bench, int before, List<Example> shown, List<List<Example>> asked) {
        List<double[]> losses = new ArrayList<>();
        AdamW optimizer = FineTune.optimizer(bench.training).withLearningRate(RATE * bench.training.learningRate());
        ParameterVector parameters = suspect.model().buffer(Buffer.PARAMETERS);
        try (ParameterVector weights = parameters.copy()) {
            FineTune tuning = new FineTune(suspect.model(), shown, new FineTune.Options(shown.size(), optimizer, null, 0));
            for (int steps : STEPS) {
                while (tuning.steps() < steps) {
                    Work.check("proof interrupted");
                    tuning.step();
                }
                asked.forEach(group -> losses.add(Bench.losses(suspect, group)));
                bench.progress(before * STEPS.getLast() + steps, CURVES * STEPS.getLast());
            }
            parameters.assign(weights);
        }
        return losses;
    }

    /** Every other one is shown, so that both halves are of the same subjects. */
    private static Halves halves(List<TextRecord> records, Bench bench) {
        List<Example> shown = new ArrayList<>();
        List<Example> asked = new ArrayList<>();
        List<Example> all = there(bench.material.encode(records));
        for (int i = 0; i < all.size(); i++) {
            (i % 2 == 0 && shown.size() < MOST_SHOWN ? shown : asked).add(all.get(i));
        }
        if (all.size() == 1) {
            return new Halves(List.of(), all);
        }
        return new Halves(shown, asked);
    }

    /** Whole subjects, until there are as many records as were erased: as many are shown of both then. */
    private static List<TextRecord> bySubject(List<TextRecord> records, int least) {
        Map<String, List<TextRecord>> groups = new LinkedHashMap<>();
        records.forEach(record -> groups
                .computeIfAbsent(Objects.toString(record.subject(), ""), _ -> new ArrayList<>()).add(record));
        List<List<TextRecord>> largest = new ArrayList<>(groups.values());
        largest.sort(Collections.reverseOrder((a, b) -> Integer.compare(a.size(), b.size())));
        List<TextRecord> some = new ArrayList<>();
        for (List<TextRecord> group : largest) {
            if (some.size() < least) {
                some.addAll(group);
            }
        }
        return some;
    }

    private static List<Example> there(List<Example> examples) {
        return examples.stream().filter(Objects::nonNull).toList();
    }
}
