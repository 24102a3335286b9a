package dev.lethe.model;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.ModelShape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * Writes a checkpoint folder so that no reader ever sees half of one. Everything goes to a staging folder first and is
 * forced to disk; then a new folder appears by one rename, or, where the folder exists, each file replaces its old one,
 * the weights last.
 */
final class CheckpointWriter {
    private CheckpointWriter() {
    }

    static void write(LanguageModel model, Gpt2Config config, Path folder, Path tokenizerFrom) {
        if (!config.shape().equals(model.shape())) {
            throw new IllegalArgumentException("config of " + config.shape() + " for a model of " + model.shape());
        }
        Path target = folder.toAbsolutePath().normalize();
        boolean replaces = Files.exists(target);
        Path staging = null;
        try {
            Path parent = replaces ? target : target.getParent();
            Files.createDirectories(parent);
            staging = Files.createDirectory(parent.resolve("." + target.getFileName() + "-" + UUID.randomUUID()));
            fill(staging, model, config, tokenizerFrom);
            publish(staging, target, replaces);
        } catch (IOException | UncheckedIOException e) {
            throw new BadInputException(folder + ": the model cannot be written (" + reason(e)
                    + "); choose another folder or free space", e);
        } finally {
            delete(staging);
        }
    }

    private static void fill(Path staging, LanguageModel model, Gpt2Config config, Path tokenizerFrom) throws IOException {
        try (FileChannel channel = FileChannel.open(staging.resolve(WeightFiles.SINGLE), StandardOpenOption.CREATE_NEW,
                StandardOpenOption.WRITE)) {
            SafetensorsWriter.write(model, channel);
        }
        Files.writeString(staging.resolve(Checkpoint.CONFIG), config.toJson());
        boolean kept = tokenizerFrom != null && TokenizerFiles.copy(tokenizerFrom, staging);
        if (!kept && config.shape().vocabulary() == ModelShape.GPT2_VOCABULARY) {
            Gpt2Vocabulary.write(staging);
        }
        for (Path file : list(staging)) {
            force(file);
        }
    }

    private static void publish(Path staging, Path target, boolean replaces) throws IOException {
        if (!replaces) {
            Files.move(staging, target, StandardCopyOption.ATOMIC_MOVE);
            force(target);
            force(target.getParent());
            return;
        }
        for (Path file : list(staging)) {
            Files.move(file, target.resolve(file.getFileName()), StandardCopyOption.ATOMIC_MOVE);
        }
        force(target);
    }

    /** Weights last: a checkpoint is new when its weights are. */
    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted(Comparator.comparing((Path file) -> file.endsWith(WeightFiles.SINGLE))
                    .thenComparing(Comparator.naturalOrder())).toList();
        }
    }

    private static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static void delete(Path staging) {
        if (staging == null || !Files.exists(staging)) {
            return;
        }
        try {
            for (Path file : list(staging)) {
                Files.deleteIfExists(file);
            }
            Files.deleteIfExists(staging);
        } catch (IOException e) {
            System.getLogger("dev.lethe.model").log(System.Logger.Level.WARNING, "left behind " + staging, e);
        }
    }

    private static String reason(Exception e) {
        Throwable cause = e instanceof UncheckedIOException ? e.getCause() : e;
        return cause instanceof FileSystemException f && f.getReason() != null ? f.getReason() : cause.toString();
    }
}
