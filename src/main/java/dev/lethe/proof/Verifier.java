/*
 * Checks a certificate, or an audit log, against the files as they lie: offline, and with nothing of Lethe's but this package.
 * Trust comes from a public key that the verifier got by another way; without one the key that came along is used, and its
 * fingerprint is for a person to compare. Ledger and records are not read: `lethe inspect` does.
 */
package dev.lethe.proof;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import dev.lethe.proof.AuditLog.LogEntry;
import dev.lethe.proof.ModelManifest.ModelSignature;
import dev.lethe.run.RunFolder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PublicKey;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How to verify. Immutable, any thread.
 *
 * @param trust  PEM file of the key, or of its certificate chain, that the verifier trusts; of a log its vkey; null: what came
 *               along
 * @param log    folder of the audit log, null: beside the run
 * @param since  an older checkpoint of the log, kept elsewhere; null without
 * @param before the model folder before the erasure, to be compared too; null without
 */
public record Verifier(@Nullable Path trust, @Nullable Path log, @Nullable Path since, @Nullable Path before) {
    /**
     * What was found to hold.
     *
     * @param kind {@code certificate} or {@code log}
     * @param trusted whether the verifier named the key
     * @param fingerprint of the certificate's key, SHA-256; of a log its vkey
     * @param index of the certificate in the log, −1 for a log
     * @param size entries in the log
     * @param checked sentences
     * @param notProven as the certificate says
     * @param path a run with a certificate, or an audit log
     * @param request its id, null of a log
     * @param erasure its id
     * @param certified when, UTC
     * @param log folder of the audit log
     */
    public record Verified(String path, String kind, boolean trusted, @Nullable String fingerprint, @Nullable String request,
                           @Nullable String erasure, @Nullable String certified, String log, long index, long size,
                           List<String> checked, List<String> notProven) { }

    /**
     * Verifies a run with a certificate, or an audit log.
     *
     * @param path a run with a certificate, or an audit log
     * @return what was found to hold
     * @throws BadInputException when there is neither, or a file that was named cannot be used
     * @throws DamagedDataException naming the first file that is wrong
     */
    public Verified verify(Path path) {
        if (before != null && !Files.isDirectory(before)) {
            throw new BadInputException(before + ": there is no such model folder");
        }
        if (since != null && !Files.isRegularFile(since)) {
            throw new BadInputException(since + ": there is no such checkpoint");
        }
        if (Files.exists(path.resolve(Certificate.FILE))) {
            return run(path);
        }
        if (Files.exists(path.resolve(RunFolder.INFO))) {
            throw new BadInputException(path + ": there is nothing to verify: this run has no " + Certificate.FILE);
        }
        if (Files.exists(path.resolve(AuditLog.CHECKPOINT)) || Files.exists(path.resolve(AuditLog.VKEY))) {
            if (before != null || log != null) {
                throw new BadInputException("the run before and a log go with a run, and " + path + " is a log");
            }
            return log(path);
        }
        throw new BadInputException(path + ": there is nothing to verify: neither " + Certificate.FILE
                + " of an erased run nor the " + AuditLog.CHECKPOINT + " of an audit log");
    }

    private Verified run(Path root) {
        Path file = root.resolve(Certificate.FILE);
        byte[] bytes = AuditLog.bytes(file);
        Dsse.Envelope envelope = ProofJson.read(bytes, Dsse.Envelope.class, file.toString());
        Path keyFile = trust != null ? trust : root.resolve(Certificate.KEY);
        PublicKey came = came(root);
        PublicKey key = trust == null ? came : Pem.read(trust, null);
        String fingerprint = Pem.fingerprint(key);
        byte[] payload = Dsse.open(envelope, key, file + " (by the key of " + keyFile + ")");
        if (!envelope.signatures().getFirst().keyid().equals(fingerprint)) {
            throw new DamagedDataException(file + ": names another key than signed it");
        }
        if (!Pem.fingerprint(came).equals(fingerprint)) {
            throw new DamagedDataException(root.resolve(Certificate.KEY) + ": is not the key that signed the certificate");
        }
        Statement statement = ProofJson.read(payload, Statement.class, file.toString());
        Statement.Predicate told = statement.predicate();
        List<String> checked = new ArrayList<>();
        checked.add("the certificate is signed by the key " + fingerprint
                + (trust == null ? ", which came with it" : " of " + trust));
        Instant then = LogEntry.time(told.request().certified(), file.toString());
        if (trust != null) {
            Pem.read(trust, then); // if it is of certificates, they must have been valid
        }
        files(root, told, key, checked);
        long size = logged(root, file, bytes, statement, checked);
        long index = proof(root).index();
        List<String> open = new ArrayList<>(told.notProven());
        if (told.proof() == null && Files.exists(root.resolve(Certificate.ATTACKS))) {
            open.add("What " + root.resolve(Certificate.ATTACKS) + " says: the certificate is older and does not cover it; certify the"
                    + " run again, under another request id.");
        }
        return new Verified(root.toString(), "certificate", trust != null, fingerprint, told.request().id(),
                told.request().erasure(), told.request().certified(), logFolder(root).toString(), index, size, checked, open);
    }

    private static PublicKey came(Path root) {
        Path file = root.resolve(Certificate.KEY);
        try {
            return Pem.readExact(file);
        } catch (IOException e) {
            throw new DamagedDataException(file + ": cannot be read: " + Reason.of(e, file), e);
        }
    }

    private void files(Path root, Statement.Predicate told, PublicKey key, List<String> checked) {
        for (Map.Entry<String, String> named : told.files().entrySet()) {
            compare(root.resolve(named.getKey()), named.getValue());
        }
        Path idKey = root.resolve(Certificate.ID_KEY);
        if (Files.exists(idKey)) { // or an officer keeps it elsewhere
            compare(idKey, told.records().keySha256());
        }
        checked.add(told.proof() == null ? "account and journal are the files that it names"
                : "account, journal and proof are the files that it names");
        told.models().after().require(root.resolve("model"));
        ModelSignature.require(root.resolve("model"), told.models().after(), key);
        checked.add("the model's " + told.models().after().resources().size() + " files are those that it names, and signed");
        if (before != null) {
            told.models().before().require(before);
            checked.add("the model before is that of " + before);
        }
    }

    private static byte[] hash(Path file) {
        try {
            return Sha256.of(file);
        } catch (IOException e) {
            throw new DamagedDataException(file + (Files.exists(file) ? ": cannot be read: " + Reason.of(e, file) : ": is missing"), e);
        }
    }

    private static void compare(Path file, String sha256) {
        String found = Sha256.hex(hash(file));
        if (!found.equals(sha256)) {
            throw new DamagedDataException(file + ": is not the file that the certificate names (SHA-256 " + sha256 + ", here "
                    + found
                    + "); it was changed");
        }
    }

    private Path logFolder(Path root) {
        return log != null ? log : Certifier.logBeside(root);
    }

    private static InclusionProof proof(Path root) {
        Path file = root.resolve(Certificate.PROOF);
        return InclusionProof.read(AuditLog.bytes(file), file.toString());
    }

    /** @return the log's size */
    private long logged(Path root, Path file, byte[] certificate, Statement statement, List<String> checked) {
        NoteKey key = NoteKey.parse(statement.predicate().log(), file.toString());
        byte[] entry = LogEntry.of(statement, certificate).bytes();
        Path proofFile = root.resolve(Certificate.PROOF);
        InclusionProof proof = proof(root);
        InclusionProof.TreeHead then = proof.verify(entry, key, proofFile.toString());
        checked.add("it was entry " + proof.index() + " of the audit log when that had " + then.size());
        Path folder = logFolder(root);
        if (!Files.isDirectory(folder)) {
            throw new DamagedDataException(folder + ": the audit log is not there; name where it lies");
        }
        AuditLog now = own(folder, key);
        now.requireExtends(then, proofFile.toString());
        now.requireEntry(proof.index(), entry);
        checked.add("it is entry " + proof.index() + " of the " + now.size() + " that " + folder + " has, which is signed");
        older(now, key, checked);
        return now.size();
    }

    private static AuditLog own(Path folder, NoteKey key) {
        if (!AuditLog.key(folder).same(key)) {
            throw new DamagedDataException(folder.resolve(AuditLog.VKEY) + ": is another log's key than the certificate names");
        }
        return AuditLog.open(folder, key);
    }

    private void older(AuditLog now, NoteKey key, List<String> checked) {
        if (since == null) {
            return;
        }
        InclusionProof.TreeHead old = InclusionProof.TreeHead.open(AuditLog.bytes(since), key, since.toString());
        now.requireExtends(old, since.toString());
        checked.add("the log goes on from the " + old.size() + " entries of " + since);
    }

    /** All of it. */
    private Verified log(Path folder) {
        NoteKey key = AuditLog.key(folder);
        if (trust != null && !trustedLog().same(key)) {
            throw new DamagedDataException(folder.resolve(AuditLog.VKEY) + ": is not the key of " + trust);
        }
        AuditLog now = AuditLog.open(folder, key);
        Instant[] last = {Instant.EPOCH};
        now.check((index, bytes) -> {
            String place = folder + ", entry " + index;
            Instant at = ProofJson.read(bytes, LogEntry.class, place).at(place);
            if (at.isBefore(last[0])) {
                throw new DamagedDataException(place + ": is of " + at + ", and the one before it of " + last[0]);
            }
            last[0] = at;
        });
        List<String> checked = new ArrayList<>(List.of("the log's " + now.size()
                + " entries are those that its head is signed for"));
        older(now, key, checked);
        return new Verified(folder.toString(), "log", trust != null, key.text(), null, null, null, folder.toString(), -1,
                now.size(),
                checked, List.of());
    }

    private NoteKey trustedLog() {
        try {
            return NoteKey.parse(Files.readString(trust, StandardCharsets.UTF_8).strip(), trust.toString());
        } catch (IOException e) {
            throw new BadInputException(trust + ": cannot be read: " + Reason.of(e, trust), e);
        } catch (DamagedDataException e) {
            throw new BadInputException(Reason.of(e) + "; of a log name the .vkey", e);
        }
    }
}
