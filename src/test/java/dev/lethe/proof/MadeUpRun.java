package dev.lethe.proof;

import dev.lethe.find.ForgetSet.Match;
import dev.lethe.results.Destroyed;
import dev.lethe.results.Erasure;
import dev.lethe.results.InfluenceChange;
import dev.lethe.results.Losses;
import dev.lethe.results.Trace;
import dev.lethe.run.IdKey;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import dev.lethe.settings.TrainConfig;
import dev.lethe.shape.ModelShape;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;

/** An erased run beside its source, as files, with no model in them: what a certificate is made of and no more. */
final class MadeUpRun {
    static final Instant NOON = Instant.parse("2026-11-27T12:00:00Z");
    static final char[] PASSWORD = "correct horse".toCharArray();
    private static SigningKeys keys;

    final Path folder;
    final RunFolder run;
    final Path log;

    MadeUpRun(Path folder) {
        this(folder, "erased", EraseConfig.defaults());
    }

    MadeUpRun(Path folder, String name, EraseConfig config) {
        this.folder = folder;
        this.log = folder.resolve("audit");
        RunInfo.Result result = new RunInfo.Result(700, 0.2, "abc", "def", null);
        RunInfo info = new RunInfo(RunInfo.FORMAT, RunInfo.VERSION, RunInfo.State.COMPLETE,
                new RunInfo.Source(null, new ModelShape(10, 8, 8, 1, 1, 32, 1e-5, true), null, "000"),
                new RunInfo.Data("people.jsonl", null, "", 0, 0, 0, 0, null), TrainConfig.builder().build(),
                new RunInfo.Machine("cpu", 1, "2.13"), result, null, List.of(), null, null);
        try {
            Path source = folder.resolve("run");
            if (!Files.exists(source)) {
                model(RunFolder.create(source, info, List.of()).model(), "before");
            }
            IdKey key = IdKey.random();
            run = RunFolder.create(folder.resolve(name), info.withLineage(new RunInfo.Lineage(source.toString(),
                    "0123456789abcdef")),
                    List.of());
            model(run.model(), "after");
            Files.createDirectories(run.journal());
            key.write(run.journal());
            Files.writeString(run.journal().resolve("steps.jsonl"), "{\"index\":0}\n");
            Files.writeString(run.journal().resolve("erasure.json"), RunJson.pretty(account(source, key, config)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Erasure account(Path source, IdKey key, EraseConfig config) {
        return new Erasure("0123456789abcdef", source, folder.resolve("erased"), List.of(key.of("dave-job")),
                List.of(new Match(key.of("dave-job"), 100, "its subject was asked for")),
                config.toBuilder().reference(new Reference.Retrained(Path.of("/models/without-dave"))).build(), 6.0,
                new Losses(0.1, 0.2, Double.NaN), new Losses(6.1, 0.25, Double.NaN), 12, 100, true, 0.0, List.of(), 700,
                new Erasure.Relearning(0.2, 4.5, Double.NaN), InfluenceChange.none(), 3,
                List.of(new Copy(key.of("dave-job-2"), null, key.of("dave-job"), 1, false, true)),
                List.of(new Destroyed(source.toString(), "abc", 3, 2, true, null)),
                List.of(new Trace("/home/dave/people.jsonl", "data", "the records themselves", null, 1, 77,
                        Trace.Reach.YOURS,
                        Trace.Found.YES)), new Erasure.Software("0.1.0", "25", "2.13", "avx2", "cpu"));
    }

    private static void model(Path folder, String what) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("config.json"), "{\"model\":\"" + what + "\"}");
        Files.write(folder.resolve("model.safetensors"), (what + " weights \0\1\2").getBytes());
    }

    /** One pair for all tests: keytool takes its time. */
    static synchronized SigningKeys keys() {
        if (keys == null) {
            keys = freshKeys();
        }
        return keys;
    }

    static SigningKeys freshKeys() {
        try {
            Path folder = Files.createTempDirectory("lethe-keys");
            SigningKeys made = SigningKeys.make(folder.resolve("keys.p12"), PASSWORD);
            for (String name : List.of("keys.p12", "keys.pem", "keys.vkey")) {
                Files.delete(folder.resolve(name));
            }
            Files.delete(folder);
            return made;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static Clock clock(Instant at) {
        return Clock.fixed(at, ZoneOffset.UTC);
    }

    Certifier certifier(String request, Instant at) {
        return new Certifier(keys(), log, request, null, clock(at));
    }

    MadeUpRun certified() {
        certifier("R-1", NOON).certify(run.root());
        return this;
    }

    Verifier.Verified verify() {
        return verifier().verify(run.root());
    }

    static Verifier verifier() {
        return new Verifier(null, null, null, null);
    }

    Path file(String name) {
        return run.root().resolve(name);
    }
}
