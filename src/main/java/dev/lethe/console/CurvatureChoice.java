package dev.lethe.console;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.base.Settings;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Curvature.Matrix;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.ParameterVector;
import dev.lethe.influence.CurvedQuery;
import dev.lethe.influence.FactorFit;
import dev.lethe.influence.InfluenceQuery.QueryVector;
import dev.lethe.influence.SavedFactors;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.settings.TrainConfig.OnLong;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.Example;
import dev.lethe.train.Trainer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;

/** The curvature of the scores that know one, from a sample of the run's records. */
public final class CurvatureChoice {
    private static final long SEED = 0;
    private static final int BATCH = 8;

    private Matrix matrix = Matrix.GAUSS_NEWTON;
    private double damping = Double.NaN;
    private int records = 128;
    private double tolerance = 0.01;
    private int iterations = 300;

    public void into(Settings settings) {
        settings.section("the curvature of cg, hvp and ekfac")
                .choice("curvature", "WHICH", matrix, "Of cg: gauss-newton, never indefinite, or hessian",
                        value -> matrix = value)
                .number("damping", "X", null, "Added to the curvature's diagonal (default: a hundredth of its largest eigenvalue; ekfac: a"
                        + " tenth of the mean eigenvalue of each tensor)", value -> damping = value)
                .whole("curvature_records", records, "Records whose loss curves, sampled", value -> records = Settings.atLeast(1, value))
                .number("tolerance", "X", tolerance, "Relative residual at which cg ends, or before that when the records shown are the"
                        + " same three times", value -> tolerance = value)
                .whole("iterations", iterations, "Most iterations of cg", value -> iterations = value);
    }

    /**
     * What a method multiplies the ledger with, which the caller closes; null for one that takes the query's gradient as it
     * is. Factors are the run's saved ones, or fitted and saved.
     *
     * @param first the records that a vector ranks first, once which stand cg ends; null = its residual alone ends it
     * @param told  hears whether factors were read or fitted, and how a solve ended
     */
    public QueryVector along(ScoreMethod method, OpenModel open, SiteSet sites,
                      Function<ParameterVector, Set<RecordKey>> first, Consumer<String> told) {
        if (!method.curved()) {
            return null;
        }
        CurvedQuery.CurvatureOptions options = options();
        List<Example> sample = sample(open);
        if (method.factored()) {
            return CurvedQuery.factored(open.model(), factors(open, sites, sample, told), options.damping());
        }
        CurvedQuery curved = new CurvedQuery(open.model(), sites, sample, options, told);
        return switch (method) {
            case HVP -> curved.product();
            case CG -> curved.conjugateGradient(options.damping() == 0 ? null : factors(open, sites, sample, told), first);
            default -> throw new IllegalStateException(method + " knows no curvature");
        };
    }

    private static KroneckerFactors factors(OpenModel open, SiteSet sites, List<Example> sample,
                                            Consumer<String> told) {
        SavedFactors saved = new SavedFactors(FactorFit.file(open.run().root()), Trainer.modelHash(open.model()), told,
                open.run()::keep);
        return saved.of(open.model(), sample, new FactorFit.Options(sites, Fisher.SAMPLED, true, 0, BATCH, SEED),
                FactorFit.Listener.NONE);
    }

    private CurvedQuery.CurvatureOptions options() {
        try {
            return new CurvedQuery.CurvatureOptions(matrix, damping, tolerance, iterations);
        } catch (IllegalArgumentException e) {
            throw new BadInputException("curvature: " + Reason.of(e), e);
        }
    }

    private List<Example> sample(OpenModel open) {
        List<TextRecord> learned = new ArrayList<>(open.run().data(Split.TRAIN).records());
        Collections.shuffle(learned, new Random(SEED));
        return open.encode(learned.subList(0, Math.min(records, learned.size())), OnLong.TRUNCATE).examples();
    }
}
