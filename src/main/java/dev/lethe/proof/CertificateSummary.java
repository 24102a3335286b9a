package dev.lethe.proof;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.Sha256;
import dev.lethe.results.Erasure;
import dev.lethe.run.RunFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What the certificate in a run says of its erasure, in short. Nobody's signature is checked: that is {@link Verifier}'s.
 *
 * @param request     the request's id; null without a certificate, as all that follows but the last two
 * @param requested   when it was asked for, ISO 8601; null where nobody said
 * @param certified   when it was signed, ISO 8601, by the signer's clock
 * @param sha256      of the certificate's file
 * @param fingerprint of the key that it names
 * @param fits        whether the files in the run that it names are those of then; false without one
 * @param notProven   sentences: the certificate's, else those that one made now would have
 */
public record CertificateSummary(@Nullable String request, @Nullable String requested, @Nullable String certified,
                                 @Nullable String sha256, @Nullable String fingerprint, boolean fits, List<String> notProven) {
    /**
     * Of a run that an erasure made.
     *
     * @param folder  its folder
     * @param account its account
     * @return what is there, or that nothing is
     * @throws BadInputException when the certificate, or a file that it names, cannot be read
     * @throws dev.lethe.base.DamagedDataException when it is not as Lethe writes it
     */
    public static CertificateSummary of(Path folder, Erasure account) {
        RunFolder run = RunFolder.openAny(folder);
        Path file = run.root().resolve(Certificate.FILE);
        return Io.reading(file, () -> {
            if (!Files.exists(file)) {
                return new CertificateSummary(null, null, null, null, null, false,
                        Certificate.notProven(account, Certificate.proof(run)));
            }
            byte[] bytes = AuditLog.bytes(file);
            Dsse.Envelope envelope = ProofJson.read(bytes, Dsse.Envelope.class, file.toString());
            Statement.Predicate said = ProofJson.read(Dsse.decode(envelope.payload(), file.toString()), Statement.class,
                    file.toString()).predicate();
            return new CertificateSummary(said.request().id(), said.request().requested(), said.request().certified(),
                    Sha256.hex(Sha256.of(bytes)), envelope.signatures().stream().map(Dsse.Signed::keyid).findFirst().orElse(""),
                    fits(run, said.files()), notProven(run, said));
        });
    }

    private static boolean fits(RunFolder run, Map<String, String> files) throws IOException {
        for (Map.Entry<String, String> named : files.entrySet()) {
            Path file = run.root().resolve(named.getKey());
            if (!Files.isRegularFile(file) || !Sha256.hex(Sha256.of(file)).equals(named.getValue())) {
                return false;
            }
        }
        return true;
    }

    private static List<String> notProven(RunFolder run, Statement.Predicate said) {
        boolean newer = !said.files().containsKey(Certificate.ATTACKS) && Files.exists(run.root().resolve(Certificate.ATTACKS));
        return Stream.concat(said.notProven().stream(), newer ? Stream.of("That the proof in this run is the one that was made: the"
                + " certificate is older and does not cover it.") : Stream.empty()).toList();
    }
}
