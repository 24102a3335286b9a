/*
 * Kronecker factors that a run keeps: read when they are of these weights, records and sites, else fitted and put in their
 * place. A block a site, so factors over more sites than are asked for serve as well. Damping is no part of them.
 */
package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Stage;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.Work;
import dev.lethe.text.Example;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/**
 * Factors with a file behind them. Confined to the model's thread.
 *
 * @param file      of the factors, which need not exist
 * @param modelHash of the model's present weights
 * @param told      hears in a sentence whether they were read or fitted, and why
 * @param keeping   runs what writes the file, or throws {@link BadInputException} where it must not be written any more
 */
public record SavedFactors(Path file, String modelHash, Consumer<String> told, Consumer<Runnable> keeping) {
    /**
     * Factors of these examples as {@link FactorFit#fit} makes them, over at least the options' sites; the caller closes
     * them. A file that cannot be written costs the next call a fit, and is told.
     */
    public KroneckerFactors of(LanguageModel model, List<Example> examples, FactorFit.Options options,
                               FactorFit.Listener listener) {
        return Work.run("factors", () -> savedOrFitted(model, examples, options, listener));
    }

    private KroneckerFactors savedOrFitted(LanguageModel model, List<Example> examples, FactorFit.Options options,
                                           FactorFit.Listener listener) {
        KroneckerFactors saved = Files.exists(file) ? read(model, examples, options) : null;
        if (saved != null) {
            told.accept("factors of " + saved.records() + " records from " + file);
            return saved;
        }
        KroneckerFactors fresh = new FactorFit(options, listener).fit(model, examples);
        try {
            keeping.accept(() -> save(fresh));
            told.accept("factors of " + fresh.records() + " records fitted and kept in " + file);
        } catch (UncheckedIOException | BadInputException e) {
            told.accept("factors of " + fresh.records() + " records fitted; they cannot be kept: " + Reason.of(e));
        } catch (Throwable e) {
            fresh.close();
            throw e;
        }
        return fresh;
    }

    private void save(KroneckerFactors fresh) {
        Io.disk(file, () -> {
            PrivateFiles.makeFolder(file.getParent());
            fresh.save(file, modelHash);
        });
    }

    /** Null when they are of something else, or damaged. */
    private KroneckerFactors read(LanguageModel model, List<Example> examples, FactorFit.Options options) {
        KroneckerFactors saved;
        try {
            saved = model.loadFactors(file, modelHash);
        } catch (BadInputException | DamagedDataException e) {
            told.accept("fitting again: " + Reason.of(e));
            return null;
        }
        String other = difference(saved, model, examples, options);
        if (other.isEmpty()) {
            return saved;
        }
        saved.close();
        told.accept("fitting again: " + file + " " + other);
        return null;
    }

    private static String difference(KroneckerFactors saved, LanguageModel model, List<Example> examples,
                                     FactorFit.Options options) {
        int records = options.samples() == 0 ? examples.size() : Math.min(options.samples(), examples.size());
        Stage stage = options.corrected() ? Stage.CORRECTED : Stage.KRONECKER;
        if (saved.records() != records) {
            return "is of " + saved.records() + " records, wanted are " + records;
        }
        if (saved.stage() != stage || saved.spec().fisher() != options.fisher() || saved.spec().seed() != options.seed()) {
            return "was made with other settings";
        }
        return saved.spec().sites().containsAll(options.sites() == null ? model.sites("all") : options.sites()) ? ""
                : "has only the sites " + String.join(", ", saved.spec().sites().names());
    }
}
