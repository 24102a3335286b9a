package dev.lethe.cli;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.Reason;
import dev.lethe.proof.Certifier;
import dev.lethe.proof.SigningKeys;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import picocli.CommandLine.Option;

/** Who vouches for an erasure, for what request, and in which log. Without a key nobody does, and there is no certificate. */
final class CertifyOptions {
    @Option(names = "--key", paramLabel = "STORE",
            description = "Key store that certificates are signed with (default: $LETHE_KEY; without one there is no"
                    + " certificate): lethe keys new makes one.")
    private Path key;

    @Option(names = "--password-file", paramLabel = "FILE",
            description = "Its password, the file's first line (default: what $LETHE_KEY_PASSWORD holds).")
    private Path passwordFile;

    @Option(names = "--request-id", paramLabel = "ID",
            description = "Your number of the deletion request, once in a log; no name (default: the erasure's id).")
    private String request;

    @Option(names = "--requested", paramLabel = "TIME", description = "When it was asked for: 2026-11-27 or"
            + " 2026-11-27T09:30:00Z.")
    private String requested;

    @Option(names = "--log", paramLabel = "DIR", description = "The audit log (default: audit beside the run).")
    private Path log;

    /** For a run at a place, or null where no key is named. @throws BadInputException when options are left over, or are wrong */
    Certifier certifier(Path run) {
        String usual = System.getenv("LETHE_KEY");
        Path store = key != null || usual == null || usual.isEmpty() ? key : Path.of(usual);
        if (store == null) {
            if (passwordFile != null || request != null || requested != null || log != null) {
                throw new BadInputException("--password-file, --request-id, --requested and --log go with a certificate,"
                        + " which needs --key STORE");
            }
            return null;
        }
        Clock clock = Clock.systemUTC();
        Instant asked = requested == null ? null : time(requested);
        SigningKeys keys = SigningKeys.open(store, password(passwordFile), clock.instant());
        return new Certifier(keys, log == null ? Certifier.logBeside(run) : log, request, asked, clock);
    }

    /** Of a key store; never from the command line, which others on the machine can read. */
    static char[] password(Path file) {
        if (file == null) {
            String given = System.getenv("LETHE_KEY_PASSWORD");
            if (given == null) {
                throw new BadInputException("the key store's password is missing: name --password-file FILE or set"
                        + " LETHE_KEY_PASSWORD");
            }
            return given.toCharArray();
        }
        try {
            return Files.readString(file, StandardCharsets.UTF_8).lines().findFirst().orElse("").toCharArray();
        } catch (IOException e) {
            throw new BadInputException("--password-file " + file + ": cannot be read: " + Reason.of(e, file), e);
        }
    }

    private static Instant time(String text) {
        try {
            return text.length() == 10 ? LocalDate.parse(text).atStartOfDay(ZoneOffset.UTC).toInstant() : Instant.parse(text);
        } catch (DateTimeParseException e) {
            throw new BadInputException("--requested " + text + ": is no time; write 2026-11-27 or 2026-11-27T09:30:00Z", e);
        }
    }

    static void print(Terminal terminal, Certifier.Certified made) {
        terminal.print("certificate   %s, request %s", made.certificate(), made.request());
        terminal.print("  SHA-256     %s", made.sha256());
        terminal.print("  key         %s", made.fingerprint());
        terminal.print("  log         entry %d of %d in %s", made.index(), made.size(), made.log());
    }
}
