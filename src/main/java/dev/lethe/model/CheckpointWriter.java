package dev.lethe.model;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelShape;
import dev.lethe.engine.PrivateFiles;
import dev.lethe.engine.Reason;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * Writes a checkpoint folder so that no reader ever sees half of one. Everything goes to a staging folder first and is
 * forced to disk; then a new folder appears by one rename, or, where the folder exists, each file replaces its old one,
 * the weights last.
 */
final class CheckpointWriter {
    private CheckpointWriter() {
    }

    static void write(LanguageModel model, ModelSettings config, Path folder, Path tokenizerFrom) {
        if (!config.shape().equals(model.shape())) {
            throw new IllegalArgumentException("config of " + config.shape() + " for a model of " + model.shape());
        }
        Path target = folder.toAbsolutePath().normalize();
        boolean replaces = Files.exists(target);
        Path staging = null;
        try {
            Path parent = replaces ? target : target.getParent();
            PrivateFiles.makeFolder(parent);
            staging = PrivateFiles.partFolder(parent.resolve(target.getFileName()));
            fill(staging, model, config, tokenizerFrom);
            publish(staging, target, replaces);
        } catch (IOException | UncheckedIOException e) {
            throw new BadInputException(folder + ": the model cannot be written (" + Reason.of(e, target)
                    + "); choose another folder or free space", e);
        } finally {
            delete(staging);
        }
    }

    private static void fill(Path staging, LanguageModel model, ModelSettings config, Path tokenizerFrom) throws IOException {
        try (FileChannel channel = PrivateFiles.create(staging.resolve(WeightFiles.SINGLE))) {
            SafetensorsWriter.write(model, config.type(), channel);
        }
        PrivateFiles.write(staging.resolve(Checkpoint.CONFIG), config.toJson());
        boolean kept = tokenizerFrom != null && TokenizerFiles.copy(tokenizerFrom, staging);
        if (!kept && config.shape().vocabulary() == ModelShape.GPT2_VOCABULARY) {
            Gpt2Vocabulary.write(staging);
        }
        PrivateFiles.sync(staging.resolve(WeightFiles.SINGLE));
        PrivateFiles.syncFolder(staging);
    }

    private static void publish(Path staging, Path target, boolean replaces) throws IOException {
        if (!replaces) {
            PrivateFiles.replace(staging, target);
            return;
        }
        for (Path file : list(staging)) {
            PrivateFiles.replace(file, target.resolve(file.getFileName()));
        }
    }

    /** Weights last: a checkpoint is new when its weights are. */
    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted(Comparator.comparing((Path file) -> file.endsWith(WeightFiles.SINGLE))
                    .thenComparing(Comparator.naturalOrder())).toList();
        }
    }

    private static void delete(Path staging) {
        try {
            if (staging != null) {
                PrivateFiles.deleteTree(staging);
            }
        } catch (IOException e) {
            System.getLogger("dev.lethe.model").log(System.Logger.Level.WARNING, "left behind " + staging, e);
        }
    }
}
