/*
 * Makes a proof: every attack on every model, a part at a time. A part is kept as it comes, under a hash of all that it depends
 * on, so that a proof goes on where it was cut off, and one more model costs its own parts only.
 */
package dev.lethe.prove;

import dev.lethe.base.BadInputException;
import dev.lethe.base.BadInputException.ConflictException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Sha256;
import dev.lethe.data.TextRecord;
import dev.lethe.engine.Engine;
import dev.lethe.engine.Work;
import dev.lethe.proof.Certifier;
import dev.lethe.prove.Suspect.Role;
import dev.lethe.results.Finding;
import dev.lethe.results.Proof;
import dev.lethe.results.Row;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.settings.ProofRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Stateless; models belong to the thread that calls. */
public final class Prover {
    private Prover() { }

    /** Told how far a proof is. */
    public interface Listener {
        /** @param share 0 to 1, of all parts */
        void at(String attack, String model, double share);
    }

    private record Part(String key, double seconds, List<Row> rows) { }

    /** Where a run's proof lies. */
    public static Path folder(RunFolder run) {
        return run.root().resolve("proof");
    }

    /**
     * Attacks an erased run and writes {@code proof/proof.json} and {@code proof.html} into it; models and records stay as they are.
     *
     * @throws BadInputException when no erasure made the run, its records are gone, or a model beside it is none
     * @throws ConflictException when the run's certificate covers a proof that differs
     */
    public static Proof prove(Engine engine, ProofRequest request, Listener listener) {
        RunFolder run = erasedRun(request);
        return Work.run("proof", () -> {
            try (Bench bench = Bench.open(engine, run, request)) {
                Proof proof = proof(run, bench, listener);
                write(run, proof);
                return proof;
            }
        });
    }

    private static RunFolder erasedRun(ProofRequest request) {
        RunFolder run = RunFolder.open(request.run());
        if (run.info().lineage() == null) {
            throw new BadInputException(run + ": is not a run that an erasure made; there is nothing to prove");
        }
        return run;
    }

    /**
     * Makes every n-th part of a proof from the i-th on, from 1, and keeps them in {@code proof/parts}: once all are there
     * {@link #prove} only joins them. Several processes may do so at once.
     *
     * @return parts of this shard, those that were there among them
     * @throws BadInputException as {@link #prove}
     */
    public static int parts(Engine engine, ProofRequest request, int i, int n, Listener listener) {
        RunFolder run = erasedRun(request);
        return Work.run("proof", () -> {
            try (Bench bench = Bench.open(engine, run, request)) {
                int number = 0;
                int own = 0;
                int all = Attack.all().size() * bench.suspects.size();
                for (Attack attack : Attack.all()) {
                    for (Suspect suspect : bench.suspects) {
                        if (number++ % n == i - 1) {
                            int before = own++;
                            bench.tell((now, total) -> listener.at(attack.name, suspect.name(),
                                    Math.min(1, (before + (double) now / total) * n / all)));
                            bench.progress(0, 1);
                            part(run, attack, suspect, bench);
                        }
                    }
                }
                return own;
            }
        });
    }

    private static Proof proof(RunFolder run, Bench bench, Listener listener) {
        List<Attack> attacks = Attack.all();
        List<Finding> findings = new ArrayList<>();
        int parts = attacks.size() * bench.suspects.size();
        int done = 0;
        double all = 0;
        for (Attack attack : attacks) {
            List<Row> rows = new ArrayList<>();
            double seconds = 0;
            for (Suspect suspect : bench.suspects) {
                int before = done++;
                bench.tell((now, total) -> listener.at(attack.name, suspect.name(), (before + (double) now / total) / parts));
                bench.progress(0, 1);
                Part part = part(run, attack, suspect, bench);
                rows.addAll(part.rows());
                seconds += part.seconds();
            }
            findings.add(Judge.judge(attack, bench, rows, seconds));
            all += seconds;
        }
        listener.at("proof", "all", 1);
        return new Proof(Proof.FORMAT, RunInfo.VERSION, run.identity(), bench.suspects.stream()
                .map(suspect -> new Proof.Model(suspect.name(), suspect.hash())).toList(), bench.material.erased().size(),
                bench.material.controls().size(), Judge.outcome(findings), Judge.verdict(findings), findings, notes(bench), all);
    }

    private static List<String> notes(Bench bench) {
        List<String> notes = new ArrayList<>(bench.notes);
        if (bench.material.erased().size() > Prompts.MOST_RECORDS) {
            notes.add("Continuations are of " + Prompts.MOST_RECORDS + " records of each side, evenly spread.");
        }
        if (!bench.retrained.isEmpty() || bench.references().size() > 1) {
            notes.add("Likelihood ratios fit to " + (bench.retrained.size() + bench.references().size()) + " models trained without"
                    + " the records; with fewer than 64 all records share a deviation.");
        }
        if (bench.material.paraphrases().isEmpty()) {
            notes.add("No paraphrases were given: other wordings are made by rule, and in English.");
        }
        return notes;
    }

    private static Part part(RunFolder run, Attack attack, Suspect suspect, Bench bench) {
        String name = "parts/" + attack.name + "-" + suspect.name().replace(' ', '-') + ".json";
        Path file = folder(run).resolve(name);
        String key = key(attack, suspect, bench);
        if (Files.exists(file)) {
            String text = Io.reading(file, () -> Files.readString(file));
            if (RunJson.tree(text, file.toString()).path("key").asString("").equals(key)) { // another's rows may look otherwise
                return RunJson.read(text, Part.class, file.toString());
            }
        }
        if (Certifier.named(run.root()).containsKey("proof/" + ProofPage.PROOF)) {
            throw covered(run); // before what the covered proof was made of is overwritten
        }
        long start = System.nanoTime();
        List<Row> rows = attack.rows(suspect, bench);
        Part part = new Part(key, (System.nanoTime() - start) / 1e9, rows);
        run.keep(() -> write(file, RunJson.pretty(part)));
        return part;
    }

    /** Of everything that a part's numbers come from. */
    private static String key(Attack attack, Suspect suspect, Bench bench) {
        Material material = bench.material;
        List<Object> on = new ArrayList<>(List.of(Proof.FORMAT, RunInfo.VERSION, attack.name, suspect.name(), suspect.hash(),
                told(material.erased()), told(material.controls()), told(material.kept()),
                told(material.paraphrases().values().stream().sorted(Comparator.comparing(TextRecord::id)).toList())));
        if (attack instanceof Membership || attack instanceof Distance) {
            Stream<Suspect> beside = attack instanceof Membership ? bench.references().stream()
                    : bench.suspects.stream().filter(one -> one.role() != Role.ERASED);
            on.add(beside.map(Suspect::hash).toList());
            on.add(bench.oracleHashes);
        }
        return hash(RunJson.line(on));
    }

    /** Of records, what attacks look at: the same text may stand for another subject, or reword another record. */
    private static List<List<String>> told(List<TextRecord> records) {
        return records.stream().map(record -> Arrays.asList(record.id(), record.subject(), record.hash())).toList();
    }

    private static String hash(String text) {
        return Sha256.hex(Sha256.of(text.getBytes(StandardCharsets.UTF_8)));
    }

    /** A certificate that covers another proof of this run would not hold any more. */
    private static ConflictException covered(RunFolder run) {
        return new ConflictException(folder(run).resolve(ProofPage.PROOF) + ": is covered by the run's certificate, and would be"
                + " another now; move certificate.dsse.json out of the run, prove again, and certify under another request id");
    }

    /** The old proof goes first and the new one comes last, after its page: a kill leaves no proof beside another's page. */
    private static void write(RunFolder run, Proof proof) {
        Path file = folder(run).resolve(ProofPage.PROOF);
        String page = ProofPage.page(proof);
        String text = RunJson.pretty(proof);
        run.keep(() -> {
            Map<String, String> named = Certifier.named(run.root());
            if (!hash(text).equals(named.getOrDefault("proof/" + ProofPage.PROOF, hash(text)))
                    || !hash(page).equals(named.getOrDefault("proof/" + ProofPage.PAGE, hash(page)))) {
                throw covered(run);
            }
            Io.disk(file + ": cannot be written", () -> {
                if (Files.exists(file) && !Sha256.hex(Sha256.of(file)).equals(hash(text))) {
                    Files.delete(file);
                }
                write(folder(run).resolve(ProofPage.PAGE), page);
                write(file, text);
            });
        });
    }

    private static void write(Path file, String text) {
        Io.disk(file + ": cannot be written", () -> {
            PrivateFiles.makeFolder(file.getParent());
            PrivateFiles.write(file, text);
        });
    }
}
