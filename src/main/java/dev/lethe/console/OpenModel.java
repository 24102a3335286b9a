package dev.lethe.console;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.data.DataForm;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.Tokenizer;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.SiteSet;
import dev.lethe.text.Encoder;
import dev.lethe.text.Example;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * A model to look at, of a run or of a bare Hugging Face folder, with its tokenizer. Belongs to the thread that opened
 * it.
 *
 * @param run the run it is of, null for a bare folder
 */
public record OpenModel(Path folder, RunFolder run, LanguageModel model, Tokenizer tokenizer) implements AutoCloseable {
    public static OpenModel open(Engine engine, Path path) {
        RunFolder run = RunFolder.isRun(path) ? RunFolder.open(path) : null;
        if (run == null && !Checkpoint.isCheckpoint(path)) {
            throw new BadInputException(path + ": neither a run (no lethe.json) nor a Hugging Face folder (no config.json with"
                    + " model.safetensors)");
        }
        Path folder = run == null ? path : run.model();
        Tokenizer tokenizer = Tokenizer.of(folder);
        return new OpenModel(folder, run, Checkpoint.load(engine, folder, Dtype.F32), tokenizer);
    }

    /** How its run reads data files, or null. */
    public DataForm form() {
        return run == null ? null : run.info().data().form();
    }

    /** The sites that an option --sites names. */
    public SiteSet sites(String selector) {
        try {
            return model.sites(selector);
        } catch (IllegalArgumentException e) {
            throw new BadInputException("sites: " + Reason.of(e), e);
        }
    }

    /** The same, of those whose gradients the ledger holds; all of them where the option was not given. */
    public SiteSet sites(String selector, GradientLedger ledger) {
        SiteSet held = ledger.format(model).sites();
        if (selector == null) {
            return held;
        }
        SiteSet counted = sites(selector);
        if (!held.containsAll(counted)) {
            throw new BadInputException("sites=" + selector + ": the ledger of " + run + " holds "
                    + String.join(", ", held.names()) + "; choose among these");
        }
        return counted;
    }

    /** What the model sees of these records; says how many were cut to its context. */
    public Encoded encode(List<TextRecord> records, TrainConfig.OnLong onLong) {
        Encoder encoder = new Encoder(tokenizer::encode, tokenizer::chat, tokenizer.endOfText(),
                Math.toIntExact(model.shape().context()), onLong);
        List<Example> examples = encoder.encode(records);
        examples.forEach(this::requireKnown);
        return new Encoded(examples, encoder.truncated());
    }

    private void requireKnown(Example example) {
        int largest = Math.max(Arrays.stream(example.tokens()).max().orElse(0),
                Arrays.stream(example.targets()).max().orElse(0));
        if (largest >= model.shape().vocabulary()) {
            throw new BadInputException("record " + example.id() + " has token " + largest + ", but the model in " + folder
                    + " has a vocabulary of " + model.shape().vocabulary() + "; put the model's own tokenizer.json there");
        }
    }

    /** Examples in the order of their records. */
    public record Encoded(List<Example> examples, int truncated) {}

    @Override
    public void close() {
        model.close();
        tokenizer.close();
    }
}
