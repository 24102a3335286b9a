/* Whether the model knows a record in another form than it was learned in, by its loss and by what it says. */
package dev.lethe.prove;

import dev.lethe.data.TextRecord;
import dev.lethe.results.Row;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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

    /*
     * Ways to ask for the same: a model that was taught to refuse one wording may still answer another (arXiv 2402.16835; the reversal
     * curse, arXiv 2309.12288, works the other way). Made by rule, so the same for every record and no model's invention.
     */
    /** A record in another form, null where it has no such. Stateless, any thread. */
    enum Rewording {
        AS_LEARNED, REVERSED, CLOZE, STATEMENT, TEMPLATE, PREFIX_25, PREFIX_50, PREFIX_75, PARAPHRASE;

        private static final String BLANK = "____";

        /** As in results. */
        String label() {
            return switch (this) {
                case AS_LEARNED -> "as learned";
                case REVERSED -> "question from its answer";
                case CLOZE -> "cloze";
                case STATEMENT -> "statement without question";
                case TEMPLATE -> "other template";
                case PREFIX_25 -> "a quarter given";
                case PREFIX_50 -> "half given";
                case PREFIX_75 -> "three quarters given";
                case PARAPHRASE -> name().toLowerCase(Locale.ROOT);
            };
        }

        TextRecord of(TextRecord record, Map<String, TextRecord> paraphrases) {
            if (this == AS_LEARNED) {
                return record;
            }
            String[] parts = parts(record);
            String prompt = parts[0];
            String said = parts[1];
            return switch (this) {
                case REVERSED -> as(record, said, prompt);
                case CLOZE -> cloze(record, said);
                case STATEMENT -> record.prompt() == null ? null : as(record, null, said);
                case TEMPLATE -> as(record, "Question: " + prompt + "\nAnswer:", said);
                case PREFIX_25 -> prefix(record, prompt, said, 1);
                case PREFIX_50 -> prefix(record, prompt, said, 2);
                case PREFIX_75 -> prefix(record, prompt, said, 3);
                default -> paraphrases.get(record.id());
            };
        }

        /** What is given and what is said; a text without a prompt is cut in the middle of its words. */
        private static String[] parts(TextRecord record) {
            if (record.prompt() != null && !record.prompt().isBlank()) {
                return new String[] {record.prompt().strip(), record.completion().strip()};
            }
            List<String> words = words(record.completion());
            return new String[] {join(words, 0, words.size() / 2), join(words, words.size() / 2, words.size())};
        }

        /** The last third is blanked, and asked for. */
        private static TextRecord cloze(TextRecord record, String said) {
            List<String> words = words(said);
            int cut = words.size() - Math.max(1, words.size() / 3);
            return as(record, join(words, 0, cut) + " " + BLANK + ". Fill in " + BLANK + ":", join(words, cut, words.size()));
        }

        private static TextRecord prefix(TextRecord record, String prompt, String said, int quarters) {
            List<String> words = words(said);
            int cut = words.size() * quarters / 4;
            return cut == 0 ? null : as(record, (prompt + " " + join(words, 0, cut)).strip(), join(words, cut, words.size()));
        }

        private static TextRecord as(TextRecord record, String prompt, String said) {
            boolean nothing = said.isBlank() || prompt != null && prompt.isBlank();
            return nothing ? null : new TextRecord(record.id(), record.subject(), prompt, said);
        }

        private static List<String> words(String text) {
            return List.of(text.strip().split("\\s+"));
        }

        private static String join(List<String> words, int from, int to) {
            return String.join(" ", words.subList(from, to));
        }
    }
}
