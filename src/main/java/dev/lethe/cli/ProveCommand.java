package dev.lethe.cli;

import dev.lethe.Lethe;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.Progress;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.engine.Engine;
import dev.lethe.prove.Prover;
import dev.lethe.results.Finding;
import dev.lethe.results.Proof;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.ProofRequest;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe prove: attacks on an erased model. */
@Command(name = "prove", description = {"Attacks an erased model for what it was made to forget.",
    "Membership, regurgitation, other wordings, relearning, rounded weights; beside records it never saw, the model before, and"
            + " retrained ones. Writes RUN/proof; goes on where it was cut off. Certify afterwards, and the certificate covers it."})
final class ProveCommand extends LetheCommand {
    @Parameters(paramLabel = "RUN", description = "A run that an erasure made.")
    private Path run;

    @Option(names = "--reference", paramLabel = "DIR", description = "A run or folder trained without the erased records;"
            + " repeatable. Everything is measured of it too.")
    private List<Path> references = List.of();

    @Option(names = "--oracles", paramLabel = "DIR", arity = "1..*", description = "More of them, and the same erasure from other"
            + " trainings, for likelihood ratios alone.")
    private List<Path> oracles = List.of();

    @Option(names = "--controls", paramLabel = "FILE", description = "Records never seen, of the same kind, beside those that the run"
            + " held out. Membership needs 100 in all.")
    private Path controls;

    @Option(names = "--data", paramLabel = "FILE",
            description = "Data that still has the erased records, where the run's own has not.")
    private Path data;

    @Option(names = "--paraphrases", paramLabel = "FILE", description = "The same records in other words, by id.")
    private Path paraphrases;

    @Option(names = "--shard", paramLabel = "I/N", description = "Make every N-th part of the proof alone, from the I-th on; lethe prove"
            + " joins them when all are there.")
    private String shard;

    private final ModelPlace place = new ModelPlace();

    @Mixin
    private final SettingOptions settings = new SettingOptions(place::into, "device");

    /** What --json gives. */
    record Result(String page, Proof proof) { }

    @Override
    protected void work() {
        ProofRequest request = new ProofRequest(run, references, oracles, controls, data, paraphrases);
        ShardChoice part = ShardChoice.of(shard);
        if (part != null) {
            parts(request, part);
            return;
        }
        try (Progress progress = progress(); Lethe lethe = Main.door(place).listener(job -> progress.update("prove",
                job.progress().done(), job.progress().of(), job.progress().detail())).build()) {
            Proof proof = lethe.prove(request).join();
            progress.end();
            Path page = Prover.folder(RunFolder.open(run)).resolve("proof.html");
            result(new Result(page.toString(), proof), terminal -> print(terminal, proof, page));
        }
    }

    /** What --json gives of a shard. @param parts made or already there */
    record Parts(String folder, int shard, int of, int parts) { }

    private void parts(ProofRequest request, ShardChoice part) {
        try (Progress progress = progress(); Engine engine = place.open()) {
            int made = Prover.parts(engine, request, part.i(), part.n(),
                    (attack, model, share) -> progress.update("prove", Math.round(1000 * share), 1000, attack + ", " + model));
            progress.end();
            Parts result = new Parts(Prover.folder(RunFolder.open(run)).resolve("parts").toString(), part.i(), part.n(), made);
            result(result, terminal -> terminal.print("shard %s: %d parts, %s", shard, made, result.folder));
        }
    }

    private static void print(Terminal terminal, Proof proof, Path page) {
        for (Finding finding : proof.findings()) {
            terminal.print("%-14s %-16s %s", finding.attack(), finding.outcome().words(), finding.sentence());
        }
        proof.notes().forEach(note -> terminal.print("%s", note));
        terminal.print("%s", proof.verdict());
        terminal.print("%s", String.format(Locale.ROOT, "%d erased records beside %d never seen, %.0f s; every number is in %s",
                proof.erased(), proof.controls(), proof.seconds(), page));
    }
}
