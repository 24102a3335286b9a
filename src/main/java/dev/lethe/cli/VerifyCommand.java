package dev.lethe.cli;

import dev.lethe.console.LetheCommand;
import dev.lethe.proof.Verifier;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe verify: whether a certificate holds, for anyone who has the run and the log. */
@Command(name = "verify", description = {"Checks the certificate of an erased run, or an audit log.",
    "Signatures, the model and the account as they lie, and the entry in the log. Offline. Exit code 4 with the first thing that is"
            + " wrong."})
final class VerifyCommand extends LetheCommand {
    @Parameters(paramLabel = "PATH", description = "An erased run, or an audit log.")
    private Path path;

    @Option(names = "--trust", paramLabel = "FILE", description = "The public key that you trust, from whoever vouches"
            + " and not from PATH: a .pem (a key, or its certificate chain), or for a log its .vkey. Without it the key"
            + " that came along is used, and its fingerprint is yours to compare.")
    private Path trust;

    @Option(names = "--log", paramLabel = "DIR", description = "The audit log (default: audit beside the run).")
    private Path log;

    @Option(names = "--since", paramLabel = "FILE", description = "An older checkpoint of the log: the log must go on from it.")
    private Path since;

    @Option(names = "--before", paramLabel = "DIR", description = "The model folder before the erasure, to be compared too.")
    private Path before;

    @Override
    protected void work() {
        Verifier.Verified found = new Verifier(trust, log, since, before).verify(path);
        result(found, terminal -> {
            terminal.print("%s: holds", found.path());
            found.checked().forEach(sentence -> terminal.print("  %s", sentence));
            if (!found.trusted()) {
                terminal.print("The key came with what it signed: compare its fingerprint with the one that you were"
                        + " given, or name the key by --trust.");
            }
            if (!found.notProven().isEmpty()) {
                terminal.print("Not proven:");
                found.notProven().forEach(sentence -> terminal.print("  %s", sentence));
            }
        });
    }
}
