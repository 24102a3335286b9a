package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.base.Settings;
import dev.lethe.console.OpenModel;
import dev.lethe.data.DataForm;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Generation;
import dev.lethe.find.Finder;
import dev.lethe.find.Query;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.spec.FormSettings;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** What the ledger is asked about: a text, records of the run, a file with a query a record, or the erased records. */
final class ScoreQueries {
    @Option(names = "--text", paramLabel = "T", description = "The query is this text.")
    private String text;

    @Option(names = "--prompt", paramLabel = "P",
            description = "Read before the text, whose loss alone counts, as a record's prompt is; without --text the query"
                    + " is the model's own greedy answer.")
    private String prompt;

    @Option(names = "--ids", paramLabel = "ID", split = ",", description = "The query is these records together.")
    private List<String> ids;

    @Option(names = "--queries", paramLabel = "FILE", description = "One query a record of this data file.")
    private Path queries;

    @Option(names = "--erased", description = "The query is what the run's erasure removed.")
    private boolean erased;

    private final FormSettings form = new FormSettings();

    @Option(names = "--data", paramLabel = "FILE", description = "Where --ids are looked up (default: the run's data).")
    private Path data;

    void into(Settings settings) {
        form.into(settings);
    }

    private DataForm form(OpenModel open) {
        return form.form(open.run() == null ? DataForm.DEFAULT : open.form());
    }

    boolean isEmpty() {
        return text == null && prompt == null && ids == null && queries == null && !erased;
    }

    /** The queries as the model sees them. A query longer than the context is refused: half a query is another one. */
    List<InfluenceQuery> of(OpenModel open, Consumer<String> answered) {
        if (Stream.of(text != null ? text : prompt, ids, queries, erased ? "" : null).filter(Objects::nonNull).count() != 1) {
            throw new BadInputException("name the query by exactly one of --text, --ids, --queries and --erased");
        }
        if (text == null && prompt != null) {
            return List.of(together("query", open, List.of(form(open).record("query", null, prompt, answer(open, answered)))));
        }
        if (text != null) {
            return List.of(together("query", open, List.of(form(open).record("query", null, prompt, text))));
        }
        if (ids != null) {
            return List.of(together(String.join(",", ids), open, byId(open)));
        }
        if (erased) {
            return List.of(together("erased", open, erased(open)));
        }
        List<InfluenceQuery> each = new ArrayList<>();
        for (Example example : encode(open, form.read(queries, open.form()).records())) {
            each.add(new InfluenceQuery(example.id(), List.of(example)));
        }
        return each;
    }

    /** What the model itself says to the prompt, up to its end of text or its context. */
    private String answer(OpenModel open, Consumer<String> answered) {
        TextRecord asked = form(open).record("query", null, prompt, "?");
        int[] ids = asked.conversation() == null ? open.tokenizer().encode(prompt)
                : encode(open, List.of(asked)).getFirst().promptTokens();
        int room = Math.toIntExact(open.model().shape().context()) - ids.length;
        if (ids.length == 0 || room < 1) {
            throw new BadInputException("--prompt: has " + ids.length + " tokens, the model's context is "
                    + open.model().shape().context() + "; " + (room < 1 ? "shorten it" : "write something"));
        }
        Generation greedy = Generation.greedy(room).withStopToken(open.tokenizer().endOfText());
        String answer = open.tokenizer().decode(open.model().generate(List.of(ids), greedy)[0]);
        if (answer.isBlank()) {
            throw new BadInputException("--prompt: the model answers with nothing; give the answer with --text");
        }
        answered.accept(answer.strip());
        return answer;
    }

    private InfluenceQuery together(String name, OpenModel open, List<TextRecord> records) {
        return new InfluenceQuery(name, encode(open, records));
    }

    private List<Example> encode(OpenModel open, List<TextRecord> records) {
        // A record of the data was itself learned truncated, and an answer may run to the end; what a user writes must fit.
        boolean mayBeCut = ids != null || erased || prompt != null && text == null;
        try {
            return open.encode(records, mayBeCut ? OnLong.TRUNCATE : OnLong.ERROR).examples();
        } catch (BadInputException e) {
            throw new BadInputException("query: " + Reason.of(e).replace("; shorten it, or truncate", "; shorten it"), e);
        }
    }

    private List<TextRecord> byId(OpenModel open) {
        if (data == null && open.run() == null) {
            throw new BadInputException("--data FILE is missing: " + open.folder() + " is not a run and knows no records");
        }
        Dataset known = data != null ? form.read(data, open.form()) : open.run().data(Split.TRAIN);
        try (Finder finder = new Finder(known.records())) {
            return finder.find(Query.ids(ids)).ids().stream().map(known::byId).toList();
        }
    }

    private List<TextRecord> erased(OpenModel open) {
        RunFolder run = open.run();
        if (run == null || run.info().lineage() == null) {
            throw new BadInputException("--erased: " + open.folder() + " is not a run that an erasure made");
        }
        List<TextRecord> records = run.erased(data == null ? null : form.read(data, open.form())).records();
        if (records.isEmpty()) {
            throw new BadInputException("--erased: the data file has none of the erased records any more; give --data a file"
                    + " that has them");
        }
        return records;
    }
}
