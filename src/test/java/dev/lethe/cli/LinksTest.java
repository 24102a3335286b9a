package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.Engine;
import dev.lethe.results.TrainListener;
import dev.lethe.train.TinyData;
import dev.lethe.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Links planted in a run or a model folder reach no file outside it, neither to write nor to read. */
class LinksTest {
    private static final String THEIRS = "another's words\n";

    @TempDir
    static Path folder;
    private static TinyData tiny;
    private static Path run;
    private static Path foreign;

    @BeforeAll
    static void train() throws IOException {
        tiny = new TinyData(folder, 4);
        run = folder.resolve("run");
        foreign = Files.writeString(folder.resolve("foreign"), THEIRS);
        try (Engine engine = Engine.cpu()) {
            Trainer.train(engine, tiny.source, tiny.data, run, TinyData.config().epochs(1).build(), TrainListener.silent());
        }
    }

    private static Shell train(Path model, Path out) {
        return Shell.run("train", out, "--data", tiny.file, "--model", model, "--epochs", 1);
    }

    @Test
    void aRunWithALinkOutOfItIsRefusedByEveryCommand() throws IOException {
        List<Object[]> commands = List.of(new Object[] {"inspect"}, new Object[] {"eval"}, new Object[] {"report"},
                new Object[] {"find", "--subject", "person1"}, new Object[] {"compact"},
                new Object[] {"erase", "--subject", "person1", "--out", folder.resolve("never")});
        for (String planted : List.of("ledger/writer.lock", "report/report.json", "report", "model/chat_template.jinja",
                "metrics.jsonl", "journal")) {
            Path copy = folder.resolve("copy-" + planted.replace('/', '-'));
            copyTree(run, copy);
            Path link = copy.resolve(planted);
            Files.createDirectories(link.getParent());
            Files.deleteIfExists(link);
            Files.createSymbolicLink(link, planted.contains(".") ? foreign : folder);
            for (Object[] command : commands) {
                Object[] all = Stream.concat(Stream.of(command), Stream.of(copy)).toArray();
                Shell shell = Shell.run(all);
                assertEquals(2, shell.code(), planted + ", " + List.of(all) + ": " + shell);
                assertTrue(shell.err().contains(link + ": is a link to "), shell.err());
            }
            Path alias = Files.createSymbolicLink(folder.resolve("alias-" + planted.replace('/', '-')), copy);
            assertEquals(2, Shell.run("inspect", alias).code(), "the run named by a link");
            assertEquals(THEIRS, Files.readString(foreign));
        }
        assertEquals(0, Shell.run("inspect", Files.createSymbolicLink(folder.resolve("alias"), run)).code());
    }

    @Test
    void aLedgersLockIsNoWayOut() throws IOException {
        Path copy = folder.resolve("ledger");
        copyTree(run.resolve("ledger"), copy);
        Files.delete(copy.resolve("writer.lock"));
        Files.createSymbolicLink(copy.resolve("writer.lock"), foreign);
        Shell shell = Shell.run("compact", copy);
        assertEquals(2, shell.code(), shell.toString());
        assertEquals(THEIRS, Files.readString(foreign));
    }

    @Test
    void aModelFoldersLinkToASecretIsNotCopied() throws IOException {
        for (String name : List.of("chat_template.jinja", "config.json", "tokenizer.json", "model.safetensors")) {
            Path model = folder.resolve("model-" + name);
            copyTree(run.resolve("model"), model);
            if (Files.exists(model.resolve(name))) {
                Files.move(model.resolve(name), folder.resolve("moved-" + name));
            } else {
                Files.writeString(folder.resolve("moved-" + name), "secret");
            }
            Files.createSymbolicLink(model.resolve(name), folder.resolve("moved-" + name));
            Path out = folder.resolve("from-" + name);
            Shell shell = train(model, out);
            assertEquals(2, shell.code(), name + ": " + shell);
            assertTrue(shell.err().contains(model.resolve(name) + ": is a link to "), shell.err());
            assertTrue(Files.notExists(out), "nothing was made");
        }
    }

    @Test
    void aHuggingFaceCacheLoads() throws IOException {
        Path repository = folder.resolve("hub/models--who--what");
        Path snapshot = repository.resolve("snapshots/0123abcd");
        Files.createDirectories(repository.resolve("blobs"));
        Files.createDirectories(snapshot);
        try (Stream<Path> files = Files.list(run.resolve("model"))) {
            for (Path file : files.toList()) {
                Path blob = Files.copy(file, repository.resolve("blobs").resolve(file.getFileName() + ".blob"));
                Files.createSymbolicLink(snapshot.resolve(file.getFileName()), Path.of("../../blobs").resolve(blob.getFileName()));
            }
        }
        Path out = folder.resolve("cached");
        Shell shell = train(snapshot, out);
        assertEquals(0, shell.code(), shell.toString());
        try (Stream<Path> files = Files.walk(out)) {
            assertTrue(files.noneMatch(Files::isSymbolicLink));
        }
        Files.delete(snapshot.resolve("tokenizer.json"));
        Files.createSymbolicLink(snapshot.resolve("tokenizer.json"), Path.of("../../../../run/model/tokenizer.json"));
        assertEquals(2, train(snapshot, folder.resolve("out-of-the-cache")).code());
    }

    private static void copyTree(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()));
            }
        }
    }
}
