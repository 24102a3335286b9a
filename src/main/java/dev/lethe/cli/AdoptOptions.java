package dev.lethe.cli;

import dev.lethe.engine.BadInputException;
import dev.lethe.model.Checkpoint;
import dev.lethe.train.Adopter;
import dev.lethe.train.ModelSource;
import dev.lethe.train.TrainConfig;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** What is known of a training that was made elsewhere, and what it is told apart by. */
final class AdoptOptions {
    private static final int ASSUMED_EPOCHS = 3;

    @Option(names = "--adapter", paramLabel = "DIR", description = "A LoRA adapter on --model: peft's folder.")
    private Path adapter;

    @Option(names = "--base", paramLabel = "DIR0",
            description = "The model before that training: tells which records were learned at all; an adapter's is its base,"
                    + " wherever the adapter says that it lies.")
    private Path base;

    @Option(names = "--held-out", paramLabel = "F2",
            description = "Records like these that it never saw: what an erasure is held against, beside the base.")
    private Path heldOut;

    @Option(names = "--epochs-trained", paramLabel = "N",
            description = "Epochs of that training, which an erasure's budget is a share of (default: 3 is assumed).")
    private Integer epochs;

    @Option(names = "--batch", paramLabel = "N", description = "Records a step, then and now (default: 8).")
    private Integer batch;

    @Option(names = "--lr", paramLabel = "RATE",
            description = "Peak rate of that training, which an erasure repairs with (default: the highest that does no harm, by"
                    + " trial).")
    private Double rate;

    @Option(names = "--force", description = "Adopt although the data does not look like what the model learned.")
    private boolean force;

    /** But for --base, which runs of adapters take too. */
    boolean isEmpty() {
        return Stream.of(adapter, heldOut, epochs, batch, rate).allMatch(Objects::isNull) && !force;
    }

    /** Of a run that is there, --base is where an adapter's base lies now. Before anything is opened. */
    void useBase(boolean run) {
        Checkpoint.baseIn(run ? base : null);
    }

    ModelSource.Pretrained source(Path model) {
        if (adapter == null) {
            return Checkpoint.isAdapter(model) ? ModelSource.adapter(model, base) : ModelSource.checkpoint(model);
        }
        if (base != null) {
            throw new BadInputException("--base DIR0: the model before the adapter is --model " + model + "; leave it out");
        }
        return ModelSource.adapter(adapter, model);
    }

    Adopter.Asked asked() {
        return new Adopter.Asked(base, rate == null, epochs == null, force);
    }

    TrainConfig.Builder config() {
        TrainConfig.Builder builder = TrainConfig.builder().epochs(epochs == null ? ASSUMED_EPOCHS : epochs).holdoutData(heldOut);
        if (batch != null) {
            builder.batchSize(batch);
        }
        if (rate != null) {
            builder.learningRate(rate);
        }
        return builder;
    }
}
