package dev.lethe.influence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.engine.Batch;
import dev.lethe.engine.Buffer;
import dev.lethe.engine.CaptureRing.Capture;
import dev.lethe.engine.Engine;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.NoLeaks;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.influence.ScoreMerger.QueryScores;
import dev.lethe.influence.ScoreMerger.QueryScores.ActivationScore;
import dev.lethe.influence.ScoreMerger.QueryScores.EntryScore;
import dev.lethe.influence.ScoreMerger.QueryScores.RecordScore;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.ledger.Destruction;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Tolerance;
import dev.lethe.text.BatchPlan;
import dev.lethe.text.Example;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Scores from the ledger against inner products of dense gradients, obviously right and slow. */
@ExtendWith(NoLeaks.class)
class InfluenceScorerTest {
    private static final ModelShape SHAPE = new ModelShape(50, 16, 8, 2, 2, 32, 1e-5, true);
    private static final int RECORDS = 7;
    private static final double[] RATES = {0.5, 0.25};

    @TempDir
    Path folder;

    private Engine engine;
    private LanguageModel model;
    private List<Example> examples;

    @BeforeEach
    void capture() {
        engine = Engine.cpu();
        model = engine.model(SHAPE, Dtype.F64);
        model.initialize(3);
        examples = examples(RECORDS);
        EntryFormat format = new EntryFormat(model.sites("all"), 0, Dtype.F64);
        LedgerManifest manifest = LedgerManifest.of("hash", SHAPE, format.sites().names(), 0, Dtype.F64);
        try (LedgerWriter writer = LedgerWriter.create(folder.resolve("ledger"), manifest)) {
            for (int epoch = 0; epoch < RATES.length; epoch++) {
                List<MemorySegment> room = new ArrayList<>();
                for (Example example : examples) {
                    int tokens = example.tokens().length;
                    EntryHeader header = new EntryHeader(RecordKey.of(example.id()), epoch, epoch, RATES[epoch], 1,
                            tokens, example.targetCount());
                    room.add(writer.reserve(header, model.entries().bytes(format, tokens, example.targetCount())));
                }
                model.gradient(all(), false, new Capture(format, room));
                writer.commit();
            }
        }
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    @Test
    void dotIsTheInnerProductOfTheDenseGradients() {
        for (long blockBytes : new long[] {1, 50_000, 1L << 30})
            try (GradientLedger ledger = open();
                    ParameterVector query = scorer(blockBytes).query(examples.subList(0, 3), 2)) {
                List<EntryScore> scores = scorer(blockBytes).dot(ledger, ledger.entries(), query);
                assertEquals(2 * RECORDS, scores.size());
                double[] expected = new double[RECORDS];
                for (int i = 0; i < RECORDS; i++) expected[i] = slow(query, i);
                for (int epoch = 0; epoch < 2; epoch++) {
                    List<EntryScore> part = scores.subList(epoch * RECORDS, (epoch + 1) * RECORDS);
                    Tolerance.near("dot", expected, part.stream().mapToDouble(EntryScore::total).toArray(),
                            Tolerance.PARITY_F64);
                }
                for (EntryScore score : scores)
                    assertEquals(score.total(), Arrays.stream(score.bySite()).sum(), 1e-12);
            }
    }

    private double slow(ParameterVector query, int record) {
        model.gradient(BatchPlan.batch(examples, new int[] {record}));
        try (ParameterVector own = model.buffer(Buffer.GRADIENT).copy()) {
            return query.dot(own);
        }
    }

    @Test
    void theQueryIsTheMeanGradientHoweverItIsCut() {
        InfluenceScorer scorer = scorer(1 << 20);
        try (ParameterVector whole = scorer.query(examples, RECORDS); ParameterVector cut = scorer.query(examples, 2)) {
            double norm = whole.norm();
            cut.axpy(-1, whole);
            assertTrue(cut.norm() <= 1e-12 * norm);
        }
        assertThrows(IllegalArgumentException.class, () -> scorer.query(List.of(), 4));
    }

    @Test
    void sitesCanBeChosenAndDestroyedEntriesArePassedOver() {
        Destruction.destroy(folder.resolve("ledger"), Set.of(RecordKey.of(examples.get(2).id())));
        ScoreOptions mlp = ScoreOptions.defaults().withSites(model.sites("mlp"));
        InfluenceScorer chosen = new InfluenceScorer(model, mlp);
        try (GradientLedger ledger = open(); ParameterVector query = chosen.query(examples, 4)) {
            List<EntryScore> scores = chosen.dot(ledger, ledger.entries(), query);
            assertEquals(2 * (RECORDS - 1), scores.size());
            List<EntryScore> all = scorer(1 << 20).dot(ledger, ledger.entries(), query);
            for (int i = 0; i < scores.size(); i++)
                for (int site = 0; site < model.sites().size(); site++)
                    assertEquals(mlp.sites().contains(site) ? all.get(i).bySite()[site] : 0,
                            scores.get(i).bySite()[site], 1e-15);
            assertEquals(List.of(), chosen.dot(ledger, List.of(), query));
        }
    }

    @Test
    void bothFormsOfAQueryAgreeWithDenseGradientsForEveryWeighing() {
        List<InfluenceQuery> queries = List.of(new InfluenceQuery("one", examples.subList(0, 1)),
                new InfluenceQuery("three", examples.subList(2, 5)), new InfluenceQuery("last", examples.subList(6, 7)));
        double[] norms = new double[RECORDS];
        for (int i = 0; i < RECORDS; i++) norms[i] = norm(i);
        try (GradientLedger ledger = open()) {
            for (QueryForm form : QueryForm.values())
                for (long memory : new long[] {1, 1L << 30})
                    for (Weighing weighing : Weighing.values()) {
                        InfluenceScorer scorer = new InfluenceScorer(model, ScoreOptions.defaults().withForm(form)
                                .withQueryBytes(memory).withBlockBytes(20_000));
                        List<QueryScores> scores = new ArrayList<>();
                        scorer.scores(ledger, ledger.entries(), queries, weighing, null, scores::add);
                        assertEquals(List.of("one", "three", "last"), scores.stream().map(QueryScores::query).toList());
                        for (int m = 0; m < queries.size(); m++)
                            check(form + " " + weighing, queries.get(m), scores.get(m), weighing, norms);
                    }
        }
    }

    private void check(String what, InfluenceQuery query, QueryScores found, Weighing weighing, double[] norms) {
        try (ParameterVector gradient = scorer(1).query(query.examples(), 2)) {
            double[] expected = new double[RECORDS];
            for (int i = 0; i < RECORDS; i++)
                expected[i] = slow(gradient, i) * switch (weighing) {
                    case SUM -> RATES.length;
                    case LEARNING_RATE -> Arrays.stream(RATES).sum();
                    case COSINE -> 1 / (gradient.norm() * norms[i]);
                };
            Tolerance.near(what, expected, found.records().stream().mapToDouble(RecordScore::total).toArray(),
                    Tolerance.PARITY_F64);
            for (RecordScore score : found.records()) {
                assertEquals(2, score.epochs());
                assertEquals(score.total(), Arrays.stream(score.bySite()).sum(), 1e-12);
            }
        }
    }

    private double norm(int record) {
        model.gradient(BatchPlan.batch(examples, new int[] {record}));
        try (ParameterVector own = model.buffer(Buffer.GRADIENT).copy()) {
            return own.norm();
        }
    }

    @Test
    void selfInfluenceIsTheSquaredNorm() {
        try (GradientLedger ledger = open()) {
            List<RecordScore> scores = scorer(10_000).selfInfluence(ledger, ledger.entries(1));
            double[] expected = new double[RECORDS];
            for (int i = 0; i < RECORDS; i++) expected[i] = Math.pow(norm(i), 2);
            Tolerance.near("self", expected, scores.stream().mapToDouble(RecordScore::total).toArray(),
                    Tolerance.PARITY_F64);
        }
    }

    /** Single precision, an inexact store and truncated factors: the scores follow the stored gradients. */
    @Test
    void everyStoreIsScoredAsItIs() {
        for (Dtype stored : new Dtype[] {Dtype.F32, Dtype.BF16})
            for (int rank : new int[] {0, 3}) {
                Path other = folder.resolve(stored + "-" + rank);
                try (LanguageModel single = engine.model(SHAPE, Dtype.F32)) {
                    single.initialize(3);
                    EntryFormat format = new EntryFormat(single.sites("all"), 8, stored, rank);
                    capture(single, other, format);
                    storedScores(single, other, format, stored == Dtype.F32 && rank == 0 ? 1e-5 : 1e-4);
                }
            }
    }

    private void capture(LanguageModel from, Path to, EntryFormat format) {
        LedgerManifest manifest =
                LedgerManifest.of("hash", SHAPE, format.sites().names(), 8, format.dtype()).withRank(format.rank());
        try (LedgerWriter writer = LedgerWriter.create(to, manifest)) {
            List<MemorySegment> room = new ArrayList<>();
            for (Example example : examples) {
                EntryHeader header = new EntryHeader(RecordKey.of(example.id()), 0, 0, 1, 1, example.tokens().length,
                        example.targetCount());
                room.add(writer.reserve(header,
                        from.entries().bytes(format, example.tokens().length, example.targetCount())));
            }
            from.gradient(all(), false, new Capture(format, room));
            writer.commit();
        }
    }

    private void storedScores(LanguageModel single, Path where, EntryFormat format, double tolerance) {
        InfluenceQuery query = new InfluenceQuery("q", examples.subList(1, 3));
        try (GradientLedger ledger = GradientLedger.open(where);
                ParameterVector gradient = new InfluenceScorer(single, ScoreOptions.defaults()).query(query.examples(), 4);
                ParameterVector own = single.vector()) {
            assertEquals(format, ledger.format(single));
            double[] expected = new double[RECORDS];
            for (int i = 0; i < RECORDS; i++) {
                own.scale(0);
                single.entries().accumulate(format, List.of(ledger.payload(ledger.entries().get(i))), new double[] {1}, null, own);
                expected[i] = own.dot(gradient);
            }
            for (QueryForm form : QueryForm.values()) {
                List<QueryScores> scores = new ArrayList<>();
                new InfluenceScorer(single, ScoreOptions.defaults().withForm(form)).scores(ledger, ledger.entries(),
                        List.of(query), Weighing.SUM, null, scores::add);
                Tolerance.near(form + " " + format, expected,
                        scores.getFirst().records().stream().mapToDouble(RecordScore::total).toArray(), tolerance);
            }
        }
    }

    @Test
    void factorsOfWhatIsStoredAreThoseOfAPass() {
        FactorFit fit = new FactorFit(new FactorFit.Options(model.sites("all"), Fisher.EMPIRICAL, true, 0, 3, 1), FactorFit.Listener.NONE);
        try (GradientLedger ledger = open(); KroneckerFactors stored = fit.fit(model, ledger, ledger.entries(0));
                KroneckerFactors passed = fit.fit(model, examples); ParameterVector a = model.vector(); ParameterVector b = model.vector()) {
            assertEquals(passed.records(), stored.records());
            a.random(ParameterVector.Distribution.NORMAL, 1);
            b.assign(a);
            stored.apply(0.01, 0.1, -1, a, a);
            passed.apply(0.01, 0.1, -1, b, b);
            b.axpy(-1, a);
            assertTrue(b.norm() < 1e-9 * a.norm(), b.norm() + " of " + a.norm());
        }
        capture(model, folder.resolve("half"), new EntryFormat(model.sites("wte"), 8, Dtype.F64));
        FactorFit table = new FactorFit(new FactorFit.Options(model.sites("wte"), Fisher.EMPIRICAL, true, 0, 3, 1), FactorFit.Listener.NONE);
        try (GradientLedger ledger = GradientLedger.open(folder.resolve("half"))) {
            String message = assertThrows(BadInputException.class, () -> table.fit(model, ledger, ledger.entries())).getMessage();
            assertTrue(message.startsWith("the ledger holds wte: curvature of wte, lm_head needs a row a token"), message);
        }
        capture(model, folder.resolve("rows"), new EntryFormat(model.sites("all"), 8, Dtype.F64, 2));
        try (GradientLedger ledger = GradientLedger.open(folder.resolve("rows"))) {
            String message = assertThrows(BadInputException.class, () -> fit.fit(model, ledger, ledger.entries())).getMessage();
            assertTrue(message.contains(" by their 2 best rows: curvature of "), message);
        }
    }

    @Test
    void aSiteThatWasNotCapturedIsRefusedWithThoseThatWere() {
        EntryFormat format = new EntryFormat(model.sites("h.0.*"), 8, Dtype.F64);
        capture(model, folder.resolve("block"), format);
        try (GradientLedger ledger = GradientLedger.open(folder.resolve("block"))) {
            InfluenceScorer scorer =
                    new InfluenceScorer(model, ScoreOptions.defaults().withSites(model.sites("h.0.mlp.c_fc,wte")));
            String message = assertThrows(BadInputException.class,
                    () -> scorer.selfInfluence(ledger, ledger.entries())).getMessage();
            assertEquals("the ledger did not capture wte; it holds h.0.ln_1, h.0.attn.c_attn, h.0.attn.c_proj,"
                    + " h.0.ln_2, h.0.mlp.c_fc, h.0.mlp.c_proj", message);
        }
    }

    @Test
    void aGradientThatIsNotFiniteIsNamedByRecordAndSite() {
        int at = (int) model.tensors().stream().filter(t -> t.name().equals("h.1.mlp.c_fc.bias")).findFirst()
                .orElseThrow().offset();
        model.buffer(Buffer.PARAMETERS).writeDoubles(at, new double[] {Double.NaN});
        try (GradientLedger ledger = open()) {
            for (QueryForm form : QueryForm.values()) {
                InfluenceScorer scorer = new InfluenceScorer(model, ScoreOptions.defaults().withForm(form));
                String message = assertThrows(BadInputException.class, () -> scorer.scores(ledger, ledger.entries(),
                        List.of(new InfluenceQuery("q", examples.subList(4, 5))), Weighing.SUM, null, found -> { }))
                        .getMessage();
                assertTrue(message.matches("query record record-4: gradient: the loss is -?nan at its token 1"), message);
            }
        }
    }

    @Test
    void aLedgerOfAnotherModelIsRefused() {
        try (GradientLedger ledger = open()) {
            ledger.requireModel("hash");
            assertEquals("ledger " + folder.resolve("ledger") + " was captured in the training of another model (it began"
                    + " with weights hash, this one with other): its gradients say nothing about this one. Put the run's"
                    + " own ledger back", assertThrows(BadInputException.class, () -> ledger.requireModel("other")).getMessage());
        }
    }

    @Test
    void activationGradientIsTheModelsOwn() {
        List<ActivationScore> scores = scorer(1).activationGradient(examples, 3);
        double[] whole = model.activationGradient(all(), false);
        int sites = model.sites().size();
        for (int b = 0; b < RECORDS; b++) {
            assertEquals(examples.get(b).id(), scores.get(b).id());
            Tolerance.near("act-grad", Arrays.copyOfRange(whole, b * sites, (b + 1) * sites), scores.get(b).bySite(),
                    Tolerance.PARITY_F64);
        }
        List<ActivationScore> chosen = new InfluenceScorer(model, ScoreOptions.defaults().withSites(model.sites("wte")))
                .activationGradient(examples, 3);
        assertEquals(scores.get(4).bySite()[0], chosen.get(4).total());
    }

    @Test
    void anInterruptEndsThePass() {
        try (GradientLedger ledger = open(); ParameterVector query = model.vector()) {
            Thread.currentThread().interrupt();
            assertThrows(InterruptedWorkException.class, () -> scorer(1).dot(ledger, ledger.entries(), query));
            assertTrue(Thread.interrupted(), "stays interrupted");
        }
    }

    private GradientLedger open() {
        return GradientLedger.open(folder.resolve("ledger"));
    }

    private InfluenceScorer scorer(long blockBytes) {
        return new InfluenceScorer(model, ScoreOptions.defaults().withBlockBytes(blockBytes));
    }

    private Batch all() {
        int[] indices = new int[RECORDS];
        Arrays.setAll(indices, i -> i);
        return BatchPlan.batch(examples, indices);
    }

    private static List<Example> examples(int count) {
        SplittableRandom random = new SplittableRandom(11);
        List<Example> examples = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] tokens = random.ints(4 + random.nextInt(9), 0, 50).toArray();
            int[] targets = random.ints(tokens.length, 0, 50).toArray();
            targets[0] = Batch.IGNORE;
            examples.add(new Example("record-" + i, i, tokens, targets, false));
        }
        return examples;
    }
}
