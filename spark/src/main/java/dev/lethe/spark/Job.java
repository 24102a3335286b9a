package dev.lethe.spark;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.run.RunInfo;
import dev.lethe.train.Trainer;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.UUID;

/**
 * What executors are told: where the run is, what must be there, and what is asked. Holds no text and no gradient of a record.
 *
 * @param <W> what an executor makes of it once, for all of its tasks
 */
interface Job<W> extends Serializable {
    /**
     * Where the run is.
     *
     * @param id        of the job, 32 hexadecimal digits
     * @param run       the run's folder, at the same path everywhere
     * @param machine   {@link #here} of the driver
     * @param modelHash {@link Trainer#modelHash} of the run's model
     * @param base      folder of the model that an adapter is on, or null
     * @param threads   of the native engine in each executor
     */
    record Place(String id, String run, String machine, String modelHash, String base, int threads) implements Serializable {
        static Place of(Path run, LanguageModel model, int threads) {
            return new Place(UUID.randomUUID().toString().replace("-", ""), run.toAbsolutePath().normalize().toString(), here(),
                    Trainer.modelHash(model), model.base() == null ? null : model.base().files().folder().toString(), threads);
        }

        /** Lethe's version, libtorch's and the instruction set: where they are the same, so are the last bits of a sum. */
        static String here() {
            Engine.BuildInfo build = Engine.buildInfo();
            return "lethe " + RunInfo.VERSION + " (ABI " + build.abiVersion() + "), libtorch " + build.torchVersion() + ", " + build.isa();
        }

        Path folder() {
            return Path.of(run);
        }
    }

    Place place();

    /** In an executor that holds the same model. @throws dev.lethe.LetheException when the ledger is not the driver's */
    W open(Engine engine, LanguageModel model, GradientLedger ledger);
}
