package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.base.Sizes;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.SettingOptions;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.model.Checkpoint;
import dev.lethe.model.ModelSettings;
import dev.lethe.run.RunFolder;
import dev.lethe.shape.Dtype;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe merge: writes an adapter and its base as one model. */
@Command(name = "merge", description = "Writes a LoRA adapter and its base as one model, which transformers loads without peft.")
final class MergeCommand extends LetheCommand {
    @Parameters(paramLabel = "RUN", description = "The run whose adapter is meant, or an adapter's folder.")
    private Path run;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "Folder of the new model.")
    private Path out;

    @Option(names = "--dtype", paramLabel = "TYPE", description = "f32, bf16 or f16 (default: each weight as the base has it).")
    private Dtype dtype;

    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(place::into);

    /** What --json gives. */
    record Result(String model, String adapter, String base, String sha256, long bytes) {}

    @Override
    protected void work() {
        if (dtype == Dtype.F64) {
            throw new BadInputException("--dtype f64: use f32, bf16 or f16");
        }
        Path folder = Checkpoint.isAdapter(run) ? run : RunFolder.open(run).model();
        if (!Checkpoint.isAdapter(folder)) {
            throw new BadInputException(folder + ": holds no adapter, there is no adapter_config.json in it");
        }
        RunFolder.requireFree(out);
        ModelSettings settings = Checkpoint.config(folder);
        try (Engine engine = place.open(); LanguageModel model = Checkpoint.load(engine, folder, Dtype.F32)) {
            Checkpoint.merge(model, settings, out, Checkpoint.tokenizer(folder, null), dtype);
            Result result = new Result(out.toString(), folder.toString(), model.base().files().folder().toString(),
                    Checkpoint.hash(out), Files.size(out.resolve("model.safetensors")));
            result(result, terminal -> terminal.print("model      %s, %s: %s and %s", result.model,
                    Sizes.of(result.bytes), result.base, result.adapter));
            return;
        } catch (IOException e) {
            throw new BadInputException(out + ": cannot be read: " + Reason.of(e, out), e);
        }
    }
}
