/* Whether the model knows a record in another form than it was learned in, by its loss and by what it says. */
package dev.lethe.prove;

import dev.lethe.data.TextRecord;
import dev.lethe.results.Row;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

final class Shifts extends Attack {
    Shifts() {
        super("other-wording",
                "Asked in another form (from the answer to the question, with blanks, as a statement, in another template, after"
                + " more of it), does the model still know a record?",
                "eight methods to evaluate unlearning (arXiv 2402.16835), reversal (arXiv 2309.12288), prefixes"
                + " (arXiv 2202.07646)");
    }

    @Override
    List<Row> rows(Suspect suspect, Bench bench) {
        List<Row> rows = new ArrayList<>();
        for (Rewording way : Rewording.values()) {
            List<TextRecord> erased = reworded(way, bench.material.erased(), bench);
            List<TextRecord> controls = reworded(way, bench.material.controls(), bench);
            if (!erased.isEmpty() && !controls.isEmpty()) {
                Row row = row(way, erased, controls, suspect, bench);
                rows.add(way == Rewording.AS_LEARNED ? row.asBaseline() : row);
            }
            bench.progress(way.ordinal() + 1, Rewording.values().length);
        }
        return rows;
    }

    private static Row row(Rewording way, List<TextRecord> erased, List<TextRecord> controls, Suspect suspect, Bench bench) {
        Row row = Rows.ofLosses(way.label(), suspect.name(), Bench.losses(suspect, bench.material.encode(erased)),
                Bench.losses(suspect, bench.material.encode(controls)));
        return row.with(Prompts.extracted(given(erased, suspect, bench), given(controls, suspect, bench)));
    }

    private static boolean[] given(List<TextRecord> records, Suspect suspect, Bench bench) {
        Prompts prompts = new Prompts(bench, Material.spread(records, Prompts.MOST_RECORDS));
        return prompts.given(prompts.greedy(suspect));
    }

    private static List<TextRecord> reworded(Rewording way, List<TextRecord> records, Bench bench) {
        return records.stream().map(record -> way.of(record, bench.material.paraphrases())).filter(Objects::nonNull).toList();
    }
}
