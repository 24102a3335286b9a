package dev.lethe.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.Lethe;
import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.cli.Main;
import dev.lethe.console.OpenModel;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.find.Query;
import dev.lethe.influence.FactorShards;
import dev.lethe.influence.InfluenceQuery;
import dev.lethe.influence.InfluenceScorer;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.QueryForm;
import dev.lethe.influence.RowSource.Pass;
import dev.lethe.influence.ScoreMerger.QueryScores;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.Destruction;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.FixedRate;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.Parameter;
import dev.lethe.settings.Reference;
import dev.lethe.settings.Strategy;
import dev.lethe.settings.TrainConfig;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.spark.ExceptionFailure;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.jdk.javaapi.CollectionConverters;

/** A session in this process over a tiny run of two epochs: the scores of one process, and what is refused. */
class LetheSparkTest {
    /** Small enough that the run's ledger of some megabytes is cut into many tasks, and two queries take two turns. */
    private static final ScoreOptions OPTIONS = ScoreOptions.defaults().withBlockBytes(1 << 20).withQueryBytes(1);

    @TempDir
    private static Path folder;
    private static Path run;
    private static List<TextRecord> records;
    private static SparkSession spark;

    @BeforeAll
    static void train() throws IOException {
        Path data = folder.resolve("people.jsonl");
        try (InputStream people = Lethe.class.getResourceAsStream("/dev/lethe/demo/people.jsonl")) {
            Files.copy(people, data);
        }
        Dataset all = Dataset.read(data);
        Dataset some = all.filter(record -> all.records().indexOf(record) < 30);
        records = some.records();
        run = train("run", some, 0);
        spark = SparkSession.builder().master("local[2,4]").config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.driver.host", "127.0.0.1").config("spark.ui.enabled", "false")
                .config("spark.lethe.partitionBytes", "2m").config("spark.sql.shuffle.partitions", "3")
                .config("spark.local.dir", folder.resolve("scratch").toString())
                .config("spark.sql.warehouse.dir", folder.resolve("warehouse").toString()).getOrCreate();
    }

    private static Path train(String name, Dataset data, long seed) {
        Path at = folder.resolve(name);
        try (Lethe lethe = Lethe.builder().threads(1).build()) {
            lethe.train(ModelSource.parse("gpt2:layers=2,hidden=32,heads=2,ctx=64"), data, at, TrainConfig.builder().epochs(2).seed(seed)
                    .learningRate(1e-3).holdoutFraction(0).sites("all").capture(TrainConfig.CapturePolicy.ALL).build()).join().close();
        }
        return at;
    }

    @AfterAll
    static void stop() {
        spark.stop();
        assertEquals(0, Engine.liveHandles());
    }

    private record Found(int epochs, double score, Map<String, Double> bySite) { }

    private static Map<String, Found> found(org.apache.spark.sql.Dataset<Row> rows) {
        Map<String, Found> found = new HashMap<>();
        for (Row row : rows.collectAsList()) {
            Map<String, Double> bySite = new HashMap<>(CollectionConverters.asJava(row.<String, Double>getMap(5)));
            assertEquals(RecordKey.of(row.getString(1)).toString(), row.getString(2));
            Found before = found.put(row.getString(0) + "|" + row.getString(1), new Found(row.getInt(3), row.getDouble(4), bySite));
            assertEquals(null, before, "twice: " + row);
        }
        return found;
    }

    /** What one process finds. */
    private static Map<String, Found> alone(Weighing weighing, List<TextRecord> queries) {
        Map<String, Found> found = new HashMap<>();
        open(run, (open, ledger) -> {
            Map<RecordKey, String> names = new HashMap<>();
            records.forEach(record -> names.put(RecordKey.of(record.id()), record.id()));
            InfluenceScorer scorer = new InfluenceScorer(open.model(), OPTIONS);
            List<QueryScores> all = new ArrayList<>();
            if (queries.isEmpty()) {
                all.add(new QueryScores("self", null, scorer.selfInfluence(ledger, ledger.entries())));
            } else {
                scorer.scores(ledger, ledger.entries(), asked(open, queries), weighing, null, all::add);
            }
            for (QueryScores one : all) {
                for (QueryScores.RecordScore score : one.records()) {
                    Map<String, Double> bySite = new HashMap<>();
                    open.model().sites().stream().filter(site -> score.bySite()[site.index()] != 0)
                            .forEach(site -> bySite.put(site.name(), score.bySite()[site.index()]));
                    found.put(one.query() + "|" + names.get(score.key()), new Found(score.epochs(), score.total(), bySite));
                }
            }
        });
        return found;
    }

    private interface Use {
        void of(OpenModel open, GradientLedger ledger);
    }

    private static void open(Path run, Use use) {
        try (Engine engine = Engine.open(Device.cpu(), Dtype.F32, 1); OpenModel open = OpenModel.open(engine, run);
                GradientLedger ledger = GradientLedger.open(open.run().ledger())) {
            use.of(open, ledger);
        }
    }

    private static List<InfluenceQuery> asked(OpenModel open, List<TextRecord> queries) {
        return open.encode(queries, OnLong.ERROR).examples().stream().map(one -> new InfluenceQuery(one.id(), List.of(one))).toList();
    }

    @Test
    void scoresAreThoseOfOneProcess() {
        List<TextRecord> queries = records.subList(0, 2);
        for (ScoreMethod method : List.of(ScoreMethod.DOT, ScoreMethod.TRACIN, ScoreMethod.COSINE, ScoreMethod.SELF)) {
            List<TextRecord> own = method == ScoreMethod.SELF ? List.of() : queries;
            Map<String, Found> expected = alone(method.weighing(), own);
            assertEquals(records.size() * Math.max(1, own.size()), expected.size());
            assertEquals(expected, found(LetheSpark.score(spark, run, own, method, OPTIONS, folder.resolve(method.label()).toString())),
                    method.label());
        }
    }

    @Test
    void theCommandGivesTheSameBytes() {
        for (String method : List.of("dot", "cosine", "self", "ekfac-cosine", "hvp")) {
            List<String> arguments = new ArrayList<>(List.of("score", run.toString(), "--method", method, "--set", "threads=1", "--set",
                    "curvature_records=8", "--top", "7", "--quiet", "--json", "-"));
            if (!method.equals("self")) {
                arguments.addAll(List.of("--text", "Dave lives in a town by the sea."));
            }
            String one = command(0, arguments);
            arguments.addAll(List.of("--set", "spark=true"));
            assertEquals(one, command(0, arguments), method);
        }
    }

    private static String command(int code, List<String> arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        assertEquals(code, Main.execute(new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8), arguments.toArray(String[]::new)), err::toString);
        return code == 0 ? out.toString(StandardCharsets.UTF_8) : err.toString(StandardCharsets.UTF_8);
    }

    @Test
    void damageIsToldOnceWithItsPlaceAndLeavesNothing() throws IOException {
        Path damaged = damaged("damaged");
        AtomicInteger failures = new AtomicInteger();
        SparkListener counts = new SparkListener() {
            @Override
            public void onTaskEnd(SparkListenerTaskEnd end) {
                if (end.taskInfo().attemptNumber() > 0 || end.reason() instanceof ExceptionFailure) {
                    failures.incrementAndGet();
                }
            }
        };
        spark.sparkContext().addSparkListener(counts);
        try {
            DamagedDataException e = assertThrows(DamagedDataException.class,
                    () -> LetheSpark.score(spark, damaged, records.subList(0, 1), ScoreMethod.DOT, OPTIONS, folder + "/none"));
            assertTrue(e.getMessage().matches("executor driver on \\S+: \\S+segment-000000.ledger at byte \\d+: the .*does not match its"
                    + " checksum.*"), e.getMessage());
        } finally {
            spark.sparkContext().removeSparkListener(counts);
        }
        assertEquals(0, failures.get(), "tasks that were tried again");
        assertNothing("none");
    }

    /** The run with a bit of its ledger changed. */
    private static Path damaged(String name) throws IOException {
        Path damaged = copy(name);
        Path segment = damaged.resolve("ledger/segment-000000.ledger");
        long place = Files.size(segment) / 4 * 3; // of the last epoch
        try (RandomAccessFile file = new RandomAccessFile(segment.toFile(), "rw")) {
            file.seek(place);
            int was = file.read();
            file.seek(place);
            file.write(was ^ 1);
        }
        return damaged;
    }

    private static void assertNothing(String name) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            assertTrue(files.noneMatch(file -> file.getFileName().toString().contains(name)));
        }
    }

    /** Of an erasure whose entries in the ledger stay. */
    private static EraseConfig.Builder curved() {
        return EraseConfig.of(Strategy.GAUSS_NEWTON).toBuilder().tuning(Parameter.LEDGER_CURVATURE, 1).sites("all").precondition(0)
                .fixed(new FixedRate(1e-6, 2)).reference(new Reference.Loss(9)).polish(0).relearnSteps(0).ignoreGuards(true)
                .keepEntries(true);
    }

    @Test
    void factorsAreThoseOfOneProcess() throws IOException {
        Path out = folder.resolve("factors");
        Query query = Query.ids(List.of(records.get(3).id()));
        LetheSpark.factors(spark, run, query, curved().build(), out);
        try (Stream<Path> files = Files.list(out)) {
            assertEquals(4, files.count());
        }
        List<byte[]> models = new ArrayList<>();
        try (Lethe lethe = Lethe.builder().threads(1).build()) {
            for (EraseConfig config : List.of(curved().build(), curved().factors(out).build())) {
                Path erased = folder.resolve("erased" + models.size());
                lethe.erase(run, query, config, erased).join();
                models.add(Files.readAllBytes(erased.resolve("model/model.safetensors")));
            }
        }
        assertArrayEquals(models.get(0), models.get(1));
        BadInputException e = assertThrows(BadInputException.class, () -> LetheSpark.factors(spark, run, query, curved().build(), out));
        assertEquals(out + ": is there already; name another folder", e.getMessage());
        e = assertThrows(BadInputException.class,
                () -> LetheSpark.factors(spark, run, query, EraseConfig.of(Strategy.GAUSS_NEWTON), folder.resolve("nothing")));
        assertTrue(e.getMessage().startsWith("shards are of the ledger's curvature"), e.getMessage());
        Path damaged = damaged("damaged-factors");
        DamagedDataException damage = assertThrows(DamagedDataException.class,
                () -> LetheSpark.factors(spark, damaged, query, curved().contrastSample(2000).build(), folder.resolve("nothing")));
        assertTrue(damage.getMessage().matches("executor driver on \\S+: \\S+segment-000000.ledger at byte \\d+: the .*"),
                damage.getMessage());
        assertNothing("nothing");
    }

    private static Path copy(String name) throws IOException {
        Path to = folder.resolve(name);
        try (Stream<Path> files = Files.walk(run)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Files.copy(file, to.resolve(run.relativize(file)));
            }
        }
        return to;
    }

    @Test
    void aLedgerOfAnotherModelIsRefused() throws IOException {
        Path other = train("other", Dataset.read(folder.resolve("people.jsonl")).filter(record -> records.stream()
                .anyMatch(one -> one.id().equals(record.id()))), 7);
        Path mixed = copy("mixed");
        for (String file : List.of("segment-000000.ledger", "manifest.json", "index")) {
            Files.copy(other.resolve("ledger").resolve(file), mixed.resolve("ledger").resolve(file),
                    StandardCopyOption.REPLACE_EXISTING);
        }
        LetheException e = assertThrows(BadInputException.class,
                () -> LetheSpark.score(spark, mixed, records.subList(0, 1), ScoreMethod.DOT, OPTIONS, folder + "/mix"));
        assertTrue(e.getMessage().contains("was captured in the training of another model"), e.getMessage());
    }

    @Test
    void aRunThatWasErasedFromMeanwhileIsRefused() throws IOException {
        Path erased = copy("erased");
        open(erased, (open, ledger) -> {
            List<Entry> entries = ledger.entries();
            Destruction.destroy(open.run().ledger(), Set.of(entries.getFirst().header().key()));
            Pass pass = new Pass(erased, open.model(), ledger, new InfluenceScorer(open.model(), OPTIONS).blocks(entries), OPTIONS,
                    asked(open, records.subList(0, 1)), List.of(Weighing.SUM), null);
            LetheException e = assertThrows(BadInputException.class, () -> SparkRows.run(spark, pass, (_, rows, _) -> rows.count()));
            FactorShards factors = new FactorShards(open.model(), ledger, entries, open.model().sites("all"), 0);
            FactorJob curved = FactorJob.of(Job.Place.of(erased, open.model(), 1), factors, 1, folder.resolve("gone"));
            BadInputException gone = assertThrows(BadInputException.class, () -> Workplace.in(curved, _ -> { }));
            assertTrue(gone.getMessage().matches("what the ledger in \\S+ keeps is \\w{64} by seed 0, the driver's \\w{64} by seed 0;"
                    + " let all machines see one run; when it was erased from meanwhile, begin again"), gone.getMessage());
            assertTrue(e.getMessage().matches("executor driver on \\S+: the ledger in \\S+ is \\w{64}, the driver's \\w{64}; let all"
                    + " machines see one run; when it was erased from meanwhile, score again"), e.getMessage());
        });
    }

    @Test
    void anExecutorWithOtherLibrariesIsRefused() {
        open(run, (open, ledger) -> {
            Pass pass = new Pass(run, open.model(), ledger, new InfluenceScorer(open.model(), OPTIONS).blocks(ledger.entries()), OPTIONS,
                    asked(open, records.subList(0, 1)), List.of(Weighing.SUM), null);
            ScoreJob job = ScoreJob.of(pass, 1);
            Job.Place here = job.place();
            Job.Place there = new Job.Place("other", here.run(), here.machine().replace("ABI ", "ABI 9"), here.modelHash(), here.base(), 1);
            ScoreJob others = new ScoreJob(there, job.ledgerHash(), job.sites(), job.epochs(), job.blockBytes(), job.queryBytes(),
                    job.form(), job.queries(), job.weighings(), null);
            LetheException e = assertThrows(BadInputException.class, () -> Workplace.in(others, _ -> { }));
            assertTrue(e.getMessage().startsWith("lethe and its libraries are " + here.machine() + ", the driver's " + there.machine()),
                    e.getMessage());
        });
    }

    @Test
    void executorsThatDisagreeAboutAQueryAreRefused() {
        RowBlock one = block(0, 1.5);
        JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
        SparkRows.requireOneMind(context.parallelize(List.of(one, block(1, 1.5)), 2));
        BadInputException e = assertThrows(BadInputException.class,
                () -> SparkRows.requireOneMind(context.parallelize(List.of(one, block(1, Math.nextUp(1.5))), 2)));
        assertTrue(e.getMessage().contains("to other bits than each other"), e.getMessage());
    }

    private static RowBlock block(int first, double norm) {
        return new RowBlock(0, new ArrayList<>(List.of(new RowBlock.Question("q", QueryForm.DENSE, norm))), first, new ArrayList<>(), null,
                new double[1][0][0]);
    }

    @Test
    void whatIsThereIsNotWrittenOver() throws IOException {
        Path there = Files.createDirectory(folder.resolve("there"));
        BadInputException e = assertThrows(BadInputException.class,
                () -> LetheSpark.score(spark, run, records.subList(0, 1), ScoreMethod.DOT, OPTIONS, there.toString()));
        assertTrue(e.getMessage().endsWith("/there: is there already; name another folder"), e.getMessage());
        try (Stream<Path> files = Files.list(there)) {
            assertFalse(files.findAny().isPresent());
        }
    }

    @Test
    void whatMakesNoSenseIsRefused() {
        for (ScoreMethod method : List.of(ScoreMethod.EKFAC, ScoreMethod.ACT_GRAD, ScoreMethod.SELF)) {
            assertThrows(BadInputException.class,
                    () -> LetheSpark.score(spark, run, records.subList(0, 1), method, OPTIONS, folder + "/senseless"));
        }
        assertThrows(BadInputException.class,
                () -> LetheSpark.score(spark, run, List.of(), ScoreMethod.DOT, OPTIONS, folder + "/senseless"));
        assertTrue(command(2, List.of("score", run.toString(), "--method", "act-grad", "--text", "a", "--set", "spark=true"))
                .contains("spark: a Spark job passes over a whole ledger"));
        spark.sparkContext().conf().set("spark.lethe.partitionBytes", "many");
        assertTrue(command(2, List.of("score", run.toString(), "--text", "a", "--set", "spark=true", "--set", "threads=1"))
                .contains("spark.lethe.partitionBytes=many: must be a size such as 256m"));
        spark.sparkContext().conf().set("spark.lethe.partitionBytes", "2m");
    }
}
