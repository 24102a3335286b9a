package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.SettingOptions;
import dev.lethe.proof.Certifier;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** lethe certify: gives an erased run its certificate, where the erasure did not. */
@Command(name = "certify", description = {"Signs an erased run, as lethe erase --key does.",
    "Its model, a certificate of the erasure, and an entry in the audit log. Safe to repeat; goes on where it was cut off."})
final class CertifyCommand extends LetheCommand {
    @Parameters(paramLabel = "RUN", description = "A run that an erasure made; the run it was made from must still be there.")
    private Path run;

    private final CertifyOptions options = new CertifyOptions();

    @Mixin
    private final SettingOptions settings = new SettingOptions(options::into, "key", "password_file", "request_id", "requested", "log");

    @Override
    protected void work() {
        Certifier certifier = options.certifier(run);
        if (certifier == null) {
            throw new BadInputException("a certificate needs a key: name one by --key STORE or LETHE_KEY, or make one"
                    + " with lethe keys new");
        }
        Certifier.Certified made = certifier.certify(run);
        result(made, terminal -> CertifyOptions.print(terminal, made));
    }
}
