package dev.lethe.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.BadInputException.ConflictException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.data.Dataset;
import dev.lethe.run.RunRecord.Split;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.train.TinyData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunFolderTest {
    @TempDir
    Path folder;

    @Test
    void keepsWhatItIsGiven() {
        TinyData tiny = new TinyData(folder, 3);
        RunInfo info = info(tiny, RunInfo.State.COMPLETE);
        RunFolder made = RunFolder.create(folder.resolve("run"), info, records(tiny.data, false));
        RunFolder opened = RunFolder.open(made.root());
        assertEquals(info.withData(info.data().left(records(tiny.data, false))), opened.info());
        assertEquals(records(tiny.data, false), opened.records());
        assertEquals(tiny.data.records(), opened.data(Split.TRAIN).records());
        assertTrue(opened.data(Split.HOLDOUT).isEmpty());
    }

    @Test
    void keptTextNeedsNoDataFile() throws IOException {
        TinyData tiny = new TinyData(folder, 3);
        RunFolder run = RunFolder.create(folder.resolve("run"), info(tiny, RunInfo.State.COMPLETE),
                records(tiny.data, true));
        Files.delete(tiny.file);
        assertEquals(tiny.data.records(), run.data(Split.TRAIN).records());
    }

    @Test
    void noTextUnlessAsked() throws IOException {
        TinyData tiny = new TinyData(folder, 3);
        RunFolder run = RunFolder.create(folder.resolve("run"), info(tiny, RunInfo.State.COMPLETE),
                records(tiny.data, false));
        try (Stream<Path> files = Files.walk(run.root())) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                assertFalse(Files.readString(file).contains("violins"), file.toString());
            }
        }
    }

    @Test
    void namesRecordsThatChangedOrWent() throws IOException {
        TinyData tiny = new TinyData(folder, 3);
        RunFolder run = RunFolder.create(folder.resolve("run"), info(tiny, RunInfo.State.COMPLETE),
                records(tiny.data, false));
        List<String> lines = Files.readAllLines(tiny.file);
        Files.write(tiny.file, lines.subList(1, lines.size()));
        assertEquals(tiny.file + ": not the data that run " + run.root() + " was made with: record person0-home is no longer "
                + "there", assertThrows(BadInputException.class, () -> run.data(Split.TRAIN)).getMessage());
        Files.writeString(tiny.file, String.join("\n", lines).replace("violins", "organs"));
        String message = assertThrows(BadInputException.class, () -> run.data(Split.TRAIN)).getMessage();
        assertTrue(message.contains("record person0-work has changed: SHA-256 of its text is "), message);
        assertTrue(message.contains(tiny.data.byId("person0-work").hash()), message);
    }

    @Test
    void refusesAnotherVersion() throws IOException {
        TinyData tiny = new TinyData(folder, 3);
        RunFolder run = RunFolder.create(folder.resolve("run"), info(tiny, RunInfo.State.COMPLETE), List.of());
        Path json = run.root().resolve("lethe.json");
        Files.writeString(json, Files.readString(json).replace("\"format\" : 1", "\"format\" : 9")
                .replace("\"lethe\" : \"" + RunInfo.VERSION + "\"", "\"lethe\" : \"7.5\", \"novelty\" : true"));
        assertEquals(run.root() + ": made by Lethe 7.5 (run format 9); this is Lethe " + RunInfo.VERSION
                + ", which reads run format 1",
                assertThrows(BadInputException.class, () -> RunFolder.open(run.root())).getMessage());
    }

    @Test
    void saysWhyItDoesNotOpen() throws IOException {
        TinyData tiny = new TinyData(folder, 3);
        assertEquals(folder + ": not a run, there is no lethe.json in it",
                assertThrows(BadInputException.class, () -> RunFolder.open(folder)).getMessage());
        RunFolder run = RunFolder.create(folder.resolve("run"), info(tiny, RunInfo.State.TRAINING), List.of());
        assertEquals(run.root() + ": its training has not finished; resume it",
                assertThrows(BadInputException.class, () -> RunFolder.open(run.root())).getMessage());
        Path json = run.root().resolve("lethe.json");
        String text = Files.readString(json);
        Files.writeString(json, text.substring(0, text.length() / 2));
        String message = assertThrows(DamagedDataException.class, () -> RunFolder.open(run.root())).getMessage();
        assertTrue(message.startsWith(json + ": "), message);
        Files.write(json, new byte[] {'{', (byte) 0xff});
        assertEquals(json + ": is not UTF-8 text",
                assertThrows(DamagedDataException.class, () -> RunFolder.open(run.root())).getMessage());
    }

    @Test
    void wantsAFolderOfItsOwn() throws IOException {
        TinyData tiny = new TinyData(folder, 3);
        RunInfo info = info(tiny, RunInfo.State.COMPLETE);
        assertEquals(folder + ": is not empty; name a new folder",
                assertThrows(BadInputException.class, () -> RunFolder.create(folder, info, List.of())).getMessage());
        assertEquals(tiny.file + ": is a file, a run needs a folder of its own",
                assertThrows(BadInputException.class, () -> RunFolder.requireFree(tiny.file)).getMessage());
        Path below = tiny.file.resolve("run");
        assertTrue(assertThrows(BadInputException.class, () -> RunFolder.create(below, info, List.of())).getMessage()
                .startsWith(below + ": cannot be "));
        RunFolder run = RunFolder.create(folder.resolve("run"), info, List.of());
        assertEquals(run.root() + ": already holds a run; name a new folder, or resume the training if it has not finished",
                assertThrows(ConflictException.class, () -> RunFolder.requireFree(run.root())).getMessage());
    }

    @Test
    void saysWhenTheParentIsReadOnly() throws IOException {
        Path closed = Files.createDirectory(folder.resolve("closed"));
        assumeTrue(closed.toFile().setWritable(false) && !Files.isWritable(closed), "this user may write anywhere");
        TinyData tiny = new TinyData(folder, 3);
        Path run = closed.resolve("run");
        assertEquals(run + ": cannot be written, no permission for " + run + "; name a folder that is writable",
                assertThrows(BadInputException.class,
                        () -> RunFolder.create(run, info(tiny, RunInfo.State.COMPLETE), List.of())).getMessage());
    }

    @Test
    void saysWhenNobodyMayWriteThere() {
        Path run = Path.of("/proc/lethe/run");
        String message = assertThrows(BadInputException.class, () -> RunFolder.makeFree(run)).getMessage();
        assertTrue(message.startsWith(run + ": cannot be written"), message);
        assertTrue(message.endsWith("; name a folder that is writable"), message);
    }

    @Test
    void versionIsTheBuilds() throws IOException {
        String pom = Files.readString(Path.of(System.getProperty("lethe.root", "."), "pom.xml"));
        assertTrue(pom.contains("<artifactId>lethe</artifactId>\n  <version>" + RunInfo.VERSION + "</version>"));
    }

    private static List<RunRecord> records(Dataset data, boolean keepText) {
        return data.records().stream().map(record -> RunRecord.of(record, 5, Split.TRAIN, keepText)).toList();
    }

    private static RunInfo info(TinyData tiny, RunInfo.State state) {
        return new RunInfo(RunInfo.FORMAT, RunInfo.VERSION, state,
                new RunInfo.Source(null, ModelShape.gpt2(1, 8, 1, 16), "tokenizer", "ab"),
                new RunInfo.Data(tiny.file.toString(), null, "cd", 9, 0, 0, 40, null), TinyData.config().build(),
                new RunInfo.Machine("cpu", 2, "2.13.0"),
                new RunInfo.Result(7, 0.1, "ef", null, new RunInfo.Ledger(List.of("wte", "lm_head"), 0, Dtype.F32, 9, 4096)),
                new RunInfo.Lineage("parent", "e1"), List.of(new RunInfo.Kin("child", "e2", RunInfo.Kin.State.MADE)), null, null);
    }
}
