package dev.lethe.proof;

import dev.lethe.base.BadInputException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import dev.lethe.proof.AuditLog.LogEntry;
import dev.lethe.proof.ModelManifest.ModelSignature;
import dev.lethe.run.RunFolder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Certifies erasures: signs the new model, writes the certificate into the run, and appends it to the audit log. Repeating it
 * after a kill goes on where it was cut off. Immutable; any thread; one run a thread.
 *
 * @param keys      of whoever vouches
 * @param log       folder of the audit log
 * @param request   id of the request, null for the erasure's own
 * @param requested when it was asked for, null where nobody said
 * @param clock     the caller's
 */
public record Certifier(SigningKeys keys, Path log, @Nullable String request, @Nullable Instant requested, Clock clock) {
    private static final Pattern ID = Pattern.compile("[A-Za-z0-9._:/#-]{1,100}");

    /**
     * Validates the request's id.
     *
     * @throws BadInputException for an id of other characters
     */
    public Certifier {
        if (request != null && !ID.matcher(request).matches()) {
            throw new BadInputException("request id \"" + request + "\": use 1 to 100 of A-Z a-z 0-9 . _ : / # -");
        }
        requested = requested == null ? null : requested.truncatedTo(ChronoUnit.SECONDS);
    }

    /**
     * {@return the audit log beside a run}
     *
     * @param run a complete run's folder
     */
    public static Path logBeside(Path run) {
        return run.toAbsolutePath().normalize().resolveSibling("audit");
    }

    /**
     * What was certified.
     *
     * @param certificate its file
     * @param sha256 of that file
     * @param fingerprint of the key
     * @param index of its entry in the log
     * @param size entries in the log now
     * @param request its id
     * @param certified when, UTC
     * @param log folder of the audit log
     */
    public record Certified(String certificate, String sha256, String request, String certified, String fingerprint, String log,
                            long index, long size) { }

    /**
     * Refuses what {@link #certify} would refuse after a long erasure: a damaged log, an id that was used, a wrong clock. Makes
     * no log.
     */
    public void precheck() {
        requireOrder(now());
        if (!Files.exists(log.resolve(AuditLog.CHECKPOINT)) && !Files.exists(log.resolve("tile"))) {
            return;
        }
        try (LogWriter writer = LogWriter.open(log, keys, LogWriter.PATIENCE)) {
            writer.require(request, now());
        }
    }

    /**
     * Certifies a run.
     *
     * @param folder of the run
     * @return what was certified
     * @throws BadInputException when no erasure made it, the request has a certificate already, or the clock is wrong
     * @throws dev.lethe.base.DamagedDataException when the log is not whole; nothing is appended
     */
    public Certified certify(Path folder) {
        RunFolder run = RunFolder.open(folder);
        Certified[] done = new Certified[1];
        run.keep(() -> {
            Certificate.Draft draft = Certificate.draft(run);
            try (LogWriter writer = LogWriter.open(log, keys, LogWriter.PATIENCE)) {
                done[0] = certify(draft, writer);
            } catch (IOException e) {
                throw new UncheckedIOException(run + ": the certificate cannot be written: " + Reason.of(e, run.root()), e);
            }
        });
        return done[0];
    }

    /**
     * SHA-256 of the files that the certificate in a run names, by their path there; empty where there is none. Who signed it is
     * not asked.
     *
     * @param run a complete run's folder
     * @return hashes by path
     * @throws dev.lethe.base.DamagedDataException when it is not as Lethe writes it
     */
    public static Map<String, String> named(Path run) {
        Path file = run.resolve(Certificate.FILE);
        if (!Files.exists(file)) {
            return Map.of();
        }
        Dsse.Envelope envelope = ProofJson.read(AuditLog.bytes(file), Dsse.Envelope.class, file.toString());
        return ProofJson.read(Dsse.decode(envelope.payload(), file.toString()), Statement.class, file.toString()).predicate().files();
    }

    private Certified certify(Certificate.Draft draft, LogWriter writer) throws IOException {
        Path root = draft.run().root();
        Path file = root.resolve(Certificate.FILE);
        String id = request != null ? request : draft.account().id();
        LogWriter.Found found = writer.find(id);
        if (found == null || !Files.exists(file) || !found.entry().certificate().equals(Sha256.hex(Sha256.of(file)))) {
            Instant now = now();
            writer.require(id, now);
            requireOrder(now);
            Statement statement = Certificate.statement(draft, new Statement.Request(id, draft.account().id(),
                    requested == null ? null : requested.toString(), now.toString()), keys.log());
            byte[] bytes = ProofJson.bytes(Dsse.sign(ProofJson.bytes(statement), keys, keys.fingerprint()));
            ModelSignature.write(draft.run().model(), draft.after(), keys);
            PrivateFiles.write(root.resolve(Certificate.KEY), keys.pem());
            PrivateFiles.write(file, bytes);
            LogEntry entry = LogEntry.of(statement, bytes);
            found = new LogWriter.Found(writer.append(entry), entry);
        }
        InclusionProof proof = writer.proof(found.index());
        PrivateFiles.write(root.resolve(Certificate.PROOF), proof.bytes());
        return new Certified(file.toString(), found.entry().certificate(), id, found.entry().certified(), keys.fingerprint(),
                log.toString(), found.index(), writer.size());
    }

    private Instant now() {
        return clock.instant().truncatedTo(ChronoUnit.SECONDS);
    }

    private void requireOrder(Instant now) {
        if (requested != null && now.isBefore(requested)) {
            throw new BadInputException("the request is of " + requested + ", and the clock says " + now
                    + ": one of the two is wrong");
        }
    }
}
