package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.Settings;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.proof.Certifier;
import dev.lethe.proof.SigningKeys;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
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

    /** Who vouches for an erasure, for what request, and in which log. Without a key nobody does, and there is no certificate. */
    static final class CertifyOptions {
        private Path key;
        private Path passwordFile;
        private String request;
        private Instant requested;
        private Path log;

        void into(Settings settings) {
            settings.section("its certificate")
                    .text("key", "STORE", "", "Key store that certificates are signed with (default: $LETHE_KEY; without one there is no"
                            + " certificate): lethe keys new makes one", value -> key = Path.of(value))
                    .text("password_file", "FILE", "", "Its password, the file's first line (default: what $LETHE_KEY_PASSWORD holds)",
                            value -> passwordFile = Path.of(value))
                    .text("request_id", "ID", "", "Your number of the deletion request, once in a log; no name (default: the erasure's"
                            + " id)", value -> request = value)
                    .text("requested", "TIME", "", "When it was asked for: 2026-11-27 or 2026-11-27T09:30:00Z",
                            value -> requested = time(value))
                    .text("log", "DIR", "", "The audit log (default: audit beside the run)", value -> log = Path.of(value));
        }

        /** For a run at a place, or null where no key is named. @throws BadInputException when options are left over, or are wrong */
        Certifier certifier(Path run) {
            String usual = System.getenv("LETHE_KEY");
            Path store = key != null || usual == null || usual.isEmpty() ? key : Path.of(usual);
            if (store == null) {
                if (passwordFile != null || request != null || requested != null || log != null) {
                    throw new BadInputException("password_file, request_id, requested and log go with a certificate, which needs"
                            + " --key STORE");
                }
                return null;
            }
            Clock clock = Clock.systemUTC();
            SigningKeys keys = SigningKeys.open(store, password(passwordFile), clock.instant());
            return new Certifier(keys, log == null ? Certifier.logBeside(run) : log, request, requested, clock);
        }

        /** Of a key store; never from the command line, which others on the machine can read. */
        static char[] password(Path file) {
            if (file == null) {
                String given = System.getenv("LETHE_KEY_PASSWORD");
                if (given == null) {
                    throw new BadInputException("the key store's password is missing: name its file (password_file) or set"
                            + " LETHE_KEY_PASSWORD");
                }
                return given.toCharArray();
            }
            return Io.input("password file " + file + ": cannot be read", () ->
                    Files.readString(file, StandardCharsets.UTF_8).lines().findFirst().orElse("").toCharArray());
        }

        private static Instant time(String text) {
            try {
                return text.length() == 10 ? LocalDate.parse(text).atStartOfDay(ZoneOffset.UTC).toInstant() : Instant.parse(text);
            } catch (DateTimeParseException e) {
                throw new BadInputException("is no time; write 2026-11-27 or 2026-11-27T09:30:00Z", e);
            }
        }

        static void print(Terminal terminal, Certifier.Certified made) {
            terminal.print("certificate   %s, request %s", made.certificate(), made.request());
            terminal.print("  SHA-256     %s", made.sha256());
            terminal.print("  key         %s", made.fingerprint());
            terminal.print("  log         entry %d of %d in %s", made.index(), made.size(), made.log());
        }
    }
}
