package dev.lethe.cli;

import dev.lethe.base.Settings;
import dev.lethe.console.ModelPlace;
import dev.lethe.model.Checkpoint;
import dev.lethe.settings.AdoptConfig;
import dev.lethe.settings.ModelSource;
import dev.lethe.settings.TrainConfig;
import dev.lethe.train.Adopter;
import java.nio.file.Path;
import java.util.List;

/** What is known of a training that was made elsewhere. */
final class AdoptOptions {
    static final List<String> NAMES = List.of("held_out", "epochs_trained", "batch", "rate_trained", "force");
    private static final int ASSUMED_EPOCHS = 3;

    private final ModelPlace place;
    private Path heldOut;
    private int epochs;
    private int batch = TrainConfig.builder().build().batchSize();
    private double rate;
    private boolean force;

    /** @param place has the base */
    AdoptOptions(ModelPlace place) {
        this.place = place;
    }

    void into(Settings settings) {
        settings.section("an adoption")
                .text("held_out", "FILE", "", "Records like these that it never saw: what an erasure is held against, beside the base",
                        value -> heldOut = Path.of(value))
                .whole("epochs_trained", 0, "Epochs of that training, which an erasure's budget is a share of; 0 = not known, "
                        + ASSUMED_EPOCHS + " are assumed", value -> epochs = value)
                .whole("batch", batch, "Records a step, then and now", value -> batch = value)
                .number("rate_trained", "RATE", 0.0, "Peak rate of that training, which an erasure repairs with; 0 = the highest that"
                        + " does no harm, by trial", value -> rate = value)
                .flag("force", "Adopt although the data does not look like what the model learned", value -> force = value);
    }

    /** @param model a model's folder or an adapter's */
    ModelSource.Pretrained source(Path model) {
        return Checkpoint.isAdapter(model) ? Checkpoint.adapter(model, place.base()) : ModelSource.checkpoint(model);
    }

    Adopter.Asked asked() {
        return new Adopter.Asked(place.base(), rate == 0, epochs == 0, force);
    }

    AdoptConfig config(TrainConfig.Builder kept) {
        return new AdoptConfig(with(kept).build(), place.base(), rate == 0, epochs == 0, force);
    }

    TrainConfig.Builder with(TrainConfig.Builder builder) {
        builder.epochs(epochs == 0 ? ASSUMED_EPOCHS : epochs).batchSize(batch).holdoutData(heldOut);
        return rate == 0 ? builder : builder.learningRate(rate);
    }
}
