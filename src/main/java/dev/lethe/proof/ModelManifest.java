/*
 * What a model folder holds, as OpenSSF Model Signing 1.0 says it: the SHA-256 of each file by its path, in the order of the
 * paths' parts, and one digest over these hashes. model.sig itself and what belongs to git are left out; links are refused.
 */
package dev.lethe.proof;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.security.PublicKey;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** @param resources one a file */
record ModelManifest(Serialization serialization, List<Resource> resources) {
    static final String SIGNATURE = "model.sig";
    private static final List<String> IGNORED = List.of(".git", ".gitattributes", ".github", ".gitignore", SIGNATURE);
    private static final Serialization FILES = new Serialization("files", "sha256", false, IGNORED);
    private static final Comparator<String> BY_PARTS = (a, b) -> Arrays.compare(a.split("/"), b.split("/"), (one, other) ->
            Arrays.compareUnsigned(one.getBytes(StandardCharsets.UTF_8), other.getBytes(StandardCharsets.UTF_8)));

    ModelManifest {
        Objects.requireNonNull(serialization, "serialization");
        resources = List.copyOf(resources);
    }

    /** How it was made: what a verifier needs to make it again. */
    record Serialization(String method, @JsonProperty("hash_type") String hashType,
            @JsonProperty("allow_symlinks") boolean allowSymlinks,
                         @JsonProperty("ignore_paths") List<String> ignorePaths) { }

    /** @param name path within the folder, with '/' */
    record Resource(String name, String algorithm, String digest) {
        Resource {
            Objects.requireNonNull(name, "name");
            Objects.requireNonNull(digest, "digest");
        }
    }

    /** @throws BadInputException when the folder cannot be read, or holds a link or anything else that is no file */
    static ModelManifest of(Path folder) {
        try (Stream<Path> inside = Files.walk(folder)) {
            List<Path> files = inside.filter(path -> !Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS))
                    .filter(path -> !IGNORED.contains(folder.relativize(path).getName(0).toString())).toList();
            Map<String, Path> byName = files.stream().collect(Collectors.toMap(
                    path -> folder.relativize(path).toString().replace('\\', '/'), Function.identity()));
            return new ModelManifest(FILES, byName.entrySet().stream().sorted(Map.Entry.comparingByKey(BY_PARTS))
                    .map(file -> new Resource(file.getKey(), "sha256", Sha256.hex(hash(file.getValue())))).toList());
        } catch (IOException | UncheckedIOException e) { // the second while it walks
            throw new BadInputException(folder + ": the model cannot be read: " + Reason.of(e, folder), e);
        }
    }

    private static byte[] hash(Path file) {
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new BadInputException(file + ": is a link or no file, which a signed model must not hold");
        }
        return Io.reading(file, () -> Sha256.of(file));
    }

    /** SHA-256 over the files' hashes, in hex: the model's name everywhere else. */
    String digest() {
        return Sha256.hex(Sha256.of(resources.stream().map(resource -> HexFormat.of().parseHex(resource.digest()))
                .toArray(byte[][]::new)));
    }

    /** Refuses a folder that holds other files than these. @throws DamagedDataException naming the first */
    void require(Path folder) {
        ModelManifest found;
        try {
            found = of(folder);
        } catch (BadInputException e) {
            throw new DamagedDataException(Reason.of(e), e);
        }
        Map<String, String> here = found.byName();
        Map<String, String> named = byName();
        for (Resource resource : resources) {
            String digest = here.get(resource.name());
            if (digest == null) {
                throw new DamagedDataException(folder.resolve(resource.name()) + ": is missing, and the certificate names it");
            }
            if (!digest.equals(resource.digest())) {
                throw new DamagedDataException(folder.resolve(resource.name())
                        + ": is not the file that the certificate names (SHA-256 "
                        + resource.digest() + ", here " + digest + "): it was changed, or is another model's");
            }
        }
        here.keySet().stream().filter(name -> !named.containsKey(name)).sorted().findFirst().ifPresent(name -> {
            throw new DamagedDataException(folder.resolve(name) + ": the certificate does not name it; it was added");
        });
    }

    private Map<String, String> byName() {
        return resources.stream().collect(Collectors.toMap(Resource::name, Resource::digest, (a, _) -> a));
    }

    /*
     * model.sig of OpenSSF Model Signing 1.0 within a model folder: a sigstore bundle of version 0.3 around a DSSE envelope with the
     * folder's manifest, under a key that the verifier has (`model_signing verify key --public_key`).
     */
    /** Stateless, any thread. */
    static final class ModelSignature {
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
}
