package dev.lethe.cli;

import dev.lethe.data.Dataset;
import dev.lethe.data.Example;
import dev.lethe.data.OnLong;
import dev.lethe.data.Record;
import dev.lethe.engine.BadInputException;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.train.RunFolder;
import dev.lethe.train.RunJson;
import dev.lethe.train.Split;
import dev.lethe.unlearn.Finder;
import dev.lethe.unlearn.Query;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** What the ledger is asked about: a text, records of the run, a file with a query a record, or the erased records. */
final class ScoreQueries {
    @Option(names = "--text", paramLabel = "T", description = "The query is this text.")
    private String text;

    @Option(names = "--ids", paramLabel = "ID", split = ",", description = "The query is these records together.")
    private List<String> ids;

    @Option(names = "--queries", paramLabel = "FILE", description = "One query a record of this data file.")
    private Path queries;

    @Option(names = "--erased", description = "The query is what the run's erasure removed.")
    private boolean erased;

    @Option(names = "--data", paramLabel = "FILE", description = "Where --ids are looked up (default: the run's data).")
    private Path data;

    boolean isEmpty() {
        return text == null && ids == null && queries == null && !erased;
    }

    /** The queries as the model sees them. A query longer than the context is refused: half a query is another one. */
    List<InfluenceQuery> of(OpenModel open) {
        if (Stream.of(text, ids, queries, erased ? "" : null).filter(Objects::nonNull).count() != 1) {
            throw new BadInputException("name the query by exactly one of --text, --ids, --queries and --erased");
        }
        if (text != null) {
            return List.of(together("query", open, List.of(new Record("query", null, null, text))));
        }
        if (ids != null) {
            return List.of(together(String.join(",", ids), open, byId(open)));
        }
        if (erased) {
            return List.of(together("erased", open, erased(open)));
        }
        List<InfluenceQuery> each = new ArrayList<>();
        for (Example example : encode(open, Dataset.read(queries).records())) {
            each.add(new InfluenceQuery(example.id(), List.of(example)));
        }
        return each;
    }

    private InfluenceQuery together(String name, OpenModel open, List<Record> records) {
        return new InfluenceQuery(name, encode(open, records));
    }

    private List<Example> encode(OpenModel open, List<Record> records) {
        // A record of the data was itself learned truncated; what a user writes must fit.
        boolean learned = ids != null || erased;
        try {
            return open.encode(records, learned ? OnLong.TRUNCATE : OnLong.ERROR).examples();
        } catch (BadInputException e) {
            throw new BadInputException("query: " + e.getMessage().replace("; shorten it, or use --on-long truncate",
                    "; shorten it"), e);
        }
    }

    private List<Record> byId(OpenModel open) {
        if (data == null && open.run() == null) {
            throw new BadInputException("--data FILE is missing: " + open.folder() + " is not a run and knows no records");
        }
        Dataset known = data != null ? Dataset.read(data) : open.run().data(Split.TRAIN);
        try (Finder finder = new Finder(known.records())) {
            return finder.find(Query.ids(ids)).ids().stream().map(known::byId).toList();
        }
    }

    private List<Record> erased(OpenModel open) {
        RunFolder run = open.run();
        if (run == null || run.info().lineage() == null) {
            throw new BadInputException("--erased: " + open.folder() + " is not a run that an erasure made");
        }
        Set<String> gone = new HashSet<>();
        Path account = run.journal().resolve("erasure.json");
        try {
            RunJson.tree(Files.readString(account), account.toString()).path("records").forEach(id -> gone.add(id.asString()));
        } catch (IOException e) {
            throw new BadInputException("--erased: " + account + " cannot be read: " + Main.reason(e), e);
        }
        Dataset learned = data != null ? Dataset.read(data)
                : RunFolder.open(Path.of(run.info().lineage().parent())).data(Split.TRAIN);
        List<Record> records = learned.filter(record -> gone.contains(record.id())).records();
        if (records.isEmpty()) {
            throw new BadInputException("--erased: none of the " + gone.size() + " erased records is in " + learned.path());
        }
        return records;
    }
}
