package dev.lethe.prove;

import dev.lethe.base.BadInputException;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.run.Lineage;
import dev.lethe.run.RunFolder;
import dev.lethe.shape.Dtype;
import dev.lethe.train.Trainer;
import java.nio.file.Path;

/**
 * A model that is asked. Belongs to the thread that opened it.
 *
 * @param name in results; no folder, which may be a person's name
 * @param hash of its parameters
 */
record Suspect(String name, Role role, LanguageModel model, String hash) implements AutoCloseable {
    enum Role { ERASED, ORIGINAL, RETRAINED }

    static Suspect open(Engine engine, Path path, String name, Role role) {
        LanguageModel model = Checkpoint.load(engine, folder(path), Dtype.F32);
        return new Suspect(name, role, model, Trainer.modelHash(model));
    }

    /** The run that a path names, itself or by its model; null where it names none. */
    static RunFolder run(Path path) {
        if (RunFolder.isRun(path)) {
            return RunFolder.open(path);
        }
        Path real = Lineage.real(path);
        return real.endsWith("model") && RunFolder.isRun(real.getParent()) ? RunFolder.open(real.getParent()) : null;
    }

    /** The model folder of a run, or the folder itself. */
    static Path folder(Path path) {
        RunFolder run = run(path);
        if (run != null) {
            return run.model();
        }
        if (!Checkpoint.isCheckpoint(path)) {
            throw new BadInputException(path + ": is neither a run nor a Hugging Face folder");
        }
        return path;
    }

    @Override
    public void close() {
        model.close();
    }
}
