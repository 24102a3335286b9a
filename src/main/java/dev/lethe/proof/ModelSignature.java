/*
 * model.sig of OpenSSF Model Signing 1.0 within a model folder: a sigstore bundle of version 0.3 around a DSSE envelope with the
 * folder's manifest, under a key that the verifier has (`model_signing verify key --public_key`).
 */
package dev.lethe.proof;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Sha256;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.PublicKey;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** Stateless, any thread. */
final class ModelSignature {
    private static final String PREDICATE = "https://model_signing/signature/v1.0";
    private static final String MEDIA = "application/vnd.dev.sigstore.bundle.v0.3+json";

    private ModelSignature() { }

    private record Bundle(String mediaType, Material verificationMaterial, Dsse.Envelope dsseEnvelope) {
        Bundle {
            Objects.requireNonNull(dsseEnvelope, "dsseEnvelope");
        }
    }

    private record Material(Hint publicKey, List<String> tlogEntries) { }

    /** SHA-256 of the PEM file, in hex. */
    private record Hint(String hint) { }

    private record Signed(@JsonProperty("_type") String type, List<Statement.Subject> subject,
                          String predicateType, ModelManifest predicate) { }

    private static byte[] payload(ModelManifest manifest) {
        return ProofJson.bytes(new Signed(Statement.TYPE, List.of(Statement.Subject.of("model", manifest)), PREDICATE, manifest));
    }

    private static String hint(PublicKey key) {
        return Sha256.hex(Sha256.of(Pem.of(key).getBytes(StandardCharsets.US_ASCII)));
    }

    static void write(Path folder, ModelManifest manifest, SigningKeys keys) throws IOException {
        PrivateFiles.write(folder.resolve(ModelManifest.SIGNATURE), ProofJson.bytes(new Bundle(MEDIA,
                new Material(new Hint(hint(keys.verifying())), List.of()), Dsse.sign(payload(manifest), keys, ""))));
    }

    /** @throws DamagedDataException unless the key signed this manifest there */
    static void require(Path folder, ModelManifest manifest, PublicKey key) {
        Path file = folder.resolve(ModelManifest.SIGNATURE);
        Bundle bundle = ProofJson.read(AuditLog.bytes(file), Bundle.class, file.toString());
        byte[] payload = Dsse.open(bundle.dsseEnvelope(), key, file.toString());
        Bundle whole = new Bundle(MEDIA, new Material(new Hint(hint(key)), List.of()),
                new Dsse.Envelope(bundle.dsseEnvelope().payload(), Dsse.IN_TOTO,
                        List.of(new Dsse.Signed(bundle.dsseEnvelope().signatures().getFirst().sig(), ""))));
        if (!bundle.equals(whole) || !Arrays.equals(payload, payload(manifest))) {
            throw new DamagedDataException(file + ": is not the signature of the model that the certificate names");
        }
    }
}
