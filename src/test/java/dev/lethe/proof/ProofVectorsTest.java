package dev.lethe.proof;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.proof.ModelManifest.ModelSignature;
import java.io.IOException;
import java.io.InputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The published test vectors of every format that a proof has. */
class ProofVectorsTest {
    @TempDir
    Path folder;

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = ProofVectorsTest.class.getResourceAsStream("/golden/" + name)) {
            return in.readAllBytes();
        }
    }

    /** secure-systems-lab/dsse, protocol.md; its signature is r and s side by side, ours their DER. */
    @Test
    void dsse() throws Exception {
        byte[] body = "hello world".getBytes(StandardCharsets.UTF_8);
        byte[] pae = Dsse.pae("http://example.com/HelloWorld", body);
        assertEquals("DSSEv1 29 http://example.com/HelloWorld 11 hello world", new String(pae, StandardCharsets.UTF_8));
        AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
        curve.init(new ECGenParameterSpec("secp256r1"));
        PublicKey key = KeyFactory.getInstance("EC").generatePublic(new ECPublicKeySpec(new ECPoint(
                new BigInteger("46950820868899156662930047687818585632848591499744589407958293238635476079160"),
                new BigInteger("5640078356564379163099075877009565129882514886557779369047442380624545832820")),
                curve.getParameterSpec(ECParameterSpec.class)));
        byte[] raw = Base64.getDecoder()
                .decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==");
        byte[] der = der(raw);
        assertTrue(Dsse.verifies(pae, der, key));
        pae[pae.length - 1] ^= 1;
        assertEquals(false, Dsse.verifies(pae, der, key));
        assertEquals("DSSEv1 2 \u00e9 0 ", new String(Dsse.pae("\u00e9", new byte[0]), StandardCharsets.UTF_8),
                "lengths are of bytes");
    }

    private static byte[] der(byte[] raw) {
        byte[] r = new BigInteger(1, Arrays.copyOf(raw, 32)).toByteArray();
        byte[] s = new BigInteger(1, Arrays.copyOfRange(raw, 32, 64)).toByteArray();
        byte[] der = new byte[6 + r.length + s.length];
        der[0] = 0x30;
        der[1] = (byte) (der.length - 2);
        der[2] = 2;
        der[3] = (byte) r.length;
        System.arraycopy(r, 0, der, 4, r.length);
        der[4 + r.length] = 2;
        der[5 + r.length] = (byte) s.length;
        System.arraycopy(s, 0, der, 6 + r.length, s.length);
        return der;
    }

    /** C2SP signed-note, its example. */
    @Test
    void signedNote() {
        NoteKey key = NoteKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "vkey");
        String note = "This is an example message.\n\n\u2014 example.com/foo"
                + " Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXs"
                + "YjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        assertEquals("This is an example message.\n", key.open(note.getBytes(StandardCharsets.UTF_8), "note"));
        String other = note + "\u2014 witness.example AAAAAAAA\n";
        assertEquals("This is an example message.\n", key.open(other.getBytes(StandardCharsets.UTF_8), "note"),
                "others' are ignored");
        for (String wrong : List.of(note.replace("an ex", "no ex"), note.replace("foo U", "bar U"), note.replace("aQM=", "aQN="),
                note.substring(0, note.length() - 1), note.replace("\n\n", "\n"), note + "x\n", "\0" + note)) {
            assertThrows(DamagedDataException.class, () -> key.open(wrong.getBytes(StandardCharsets.UTF_8), "note"), wrong);
        }
        assertThrows(DamagedDataException.class,
                () -> NoteKey.parse("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                "vkey"));
    }

    /** transparency-dev/merkle, rfc6962_test.go. */
    @Test
    void merkleHashes() {
        assertEquals("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hex(Merkle.root(null, 0)));
        assertEquals("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", hex(Merkle.leaf(new byte[0])));
        assertEquals("395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56", hex(Merkle.leaf("L123456".getBytes())));
        assertEquals("aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb",
                hex(Merkle.node("N123".getBytes(), "N456".getBytes())));
    }

    /** transparency-dev/merkle, testdata: proofs that hold and proofs that do not. */
    @Test
    void merkleProofs() throws IOException {
        JsonNode all = new JsonMapper().readTree(resource("rfc6962.json"));
        int refused = 0;
        for (JsonNode probe : all.get("inclusion")) {
            boolean holds = Merkle.includes(bytes(probe.get("leafHash")), probe.get("leafIdx").asBigInteger().longValue(),
                    probe.get("treeSize").asBigInteger().longValue(), hashes(probe), bytes(probe.get("root")));
            assertEquals(!probe.get("wantErr").asBoolean(), holds, probe.get("name").asString());
            refused += holds ? 0 : 1;
        }
        for (JsonNode probe : all.get("consistency")) {
            boolean holds = Merkle.extendsTo(probe.get("size1").asBigInteger().longValue(), bytes(probe.get("root1")),
                    probe.get("size2").asBigInteger().longValue(), bytes(probe.get("root2")), hashes(probe));
            assertEquals(!probe.get("wantErr").asBoolean(), holds, probe.get("name").asString());
            refused += holds ? 0 : 1;
        }
        assertTrue(refused > 100, refused + " are to be refused");
    }

    private static List<byte[]> hashes(JsonNode probe) {
        return probe.get("proof").isNull() ? List.of()
                : StreamSupport.stream(probe.get("proof").spliterator(), false).map(ProofVectorsTest::bytes).toList();
    }

    private static byte[] bytes(JsonNode base64) {
        return base64.isNull() ? new byte[0] : Base64.getDecoder().decode(base64.asString());
    }

    /** RFC 6962, 2.1, word for word, beside the proofs that are made of ranges. */
    @Test
    void proofsOfEveryTreeUpTo70Leaves() {
        List<byte[]> leaves = new ArrayList<>();
        for (int size = 1; size <= 70; size++) {
            leaves.add(Merkle.leaf(new byte[] {(byte) size}));
            Merkle.Source source = (level, index) -> mth(leaves.subList((int) (index << level), (int) ((index + 1) << level)));
            byte[] root = mth(leaves);
            assertArrayEquals(root, Merkle.root(source, size));
            for (int i = 0; i < size; i++) {
                assertTrue(Merkle.includes(leaves.get(i), i, size, Merkle.inclusion(source, i, size), root));
                List<byte[]> proof = Merkle.consistency(source, i + 1, size);
                assertTrue(Merkle.extendsTo(i + 1, mth(leaves.subList(0, i + 1)), size, root, proof), i + 1 + " of " + size);
            }
        }
    }

    static byte[] mth(List<byte[]> leaves) {
        if (leaves.size() == 1) {
            return leaves.getFirst();
        }
        int split = Integer.highestOneBit(leaves.size() - 1);
        return Merkle.node(mth(leaves.subList(0, split)), mth(leaves.subList(split, leaves.size())));
    }

    /** sigstore/model-transparency, tests/conftest.py and TestPayload/sample_model_folder. */
    @Test
    void modelManifest() throws IOException {
        for (int d = 0; d < 2; d++) {
            Path below = Files.createDirectories(folder.resolve("sample_model/d" + d));
            for (int i = 0; i < 3; i++) {
                Files.writeString(below.resolve("f" + d + i), "This is file f" + d + i + " in d" + d + ".");
            }
        }
        for (int i = 0; i < 4; i++) {
            Files.writeString(folder.resolve("sample_model/f" + i), "This is file f" + i + " in root.");
        }
        ModelManifest made = ModelManifest.of(folder.resolve("sample_model"));
        assertEquals(List.of("d0/f00", "d0/f01", "d0/f02", "d1/f10", "d1/f11", "d1/f12", "f0", "f1", "f2", "f3"),
                made.resources().stream().map(ModelManifest.Resource::name).toList());
        assertEquals("fdd8925354242a7fd1515e79534317b800015607a609cd306e0b4dcfe6c92249", made.resources().getFirst().digest());
        assertEquals("143cc682e555951649f18e2761c3d526d2502996f5e32dc187ef7f8a614f8df7", made.digest());
        Files.writeString(folder.resolve("sample_model/model.sig"), "is no part of it");
        Files.createDirectories(folder.resolve("sample_model/.git/objects"));
        Files.writeString(folder.resolve("sample_model/.git/objects/x"), "neither");
        assertEquals(made, ModelManifest.of(folder.resolve("sample_model")));
        Files.createSymbolicLink(folder.resolve("sample_model/link"), folder.resolve("sample_model/f0"));
        assertEquals(folder.resolve("sample_model/link") + ": is a link or no file, which a signed model must not hold",
                assertThrows(BadInputException.class, () -> ModelManifest.of(folder.resolve("sample_model"))).getMessage());
    }

    /** Paths are compared part by part, as Python's PurePosixPath: "a/b" before "a-b", though '-' comes before '/'. */
    @Test
    void modelManifestOrder() throws IOException {
        for (String name : List.of("a-b", "a/b", "a/\ud83d\ude00", "a/\uff41", "B", ".hidden")) {
            Path file = folder.resolve("order").resolve(name);
            Files.createDirectories(file.getParent());
            Files.writeString(file, name);
        }
        assertEquals(List.of(".hidden", "B", "a/b", "a/\uff41", "a/\ud83d\ude00", "a-b"),
                ModelManifest.of(folder.resolve("order")).resources().stream().map(ModelManifest.Resource::name).toList());
    }

    /** sigstore/model-transparency, scripts/tests/v1.1.0-elliptic-key: our model.sig has the fields of theirs. */
    @Test
    void modelSignatureHasTheFieldsOfTheStockTools() throws IOException {
        JsonNode theirs = new JsonMapper().readTree(resource("model-signing-1.1.0.sig"));
        MadeUpRun run = new MadeUpRun(folder);
        ModelManifest manifest = ModelManifest.of(run.run.model());
        ModelSignature.write(run.run.model(), manifest, MadeUpRun.keys());
        ModelSignature.require(run.run.model(), manifest, MadeUpRun.keys().verifying());
        JsonNode ours = new JsonMapper().readTree(Files.readAllBytes(run.run.model().resolve("model.sig")));
        assertEquals(shape(theirs), shape(ours));
        assertEquals(shape(payload(theirs)), shape(payload(ours)));
        for (String same : List.of("/mediaType", "/dsseEnvelope/payloadType")) {
            assertEquals(theirs.at(same), ours.at(same));
        }
        for (String same : List.of("/_type", "/predicateType", "/predicate/serialization/method",
                "/predicate/serialization/hash_type")) {
            assertEquals(payload(theirs).at(same), payload(ours).at(same));
        }
    }

    private static JsonNode payload(JsonNode bundle) {
        return new JsonMapper().readTree(Base64.getDecoder().decode(bundle.at("/dsseEnvelope/payload").asString()));
    }

    /** Names and kinds of all values, sorted; of arrays the first element's. */
    private static String shape(JsonNode node) {
        if (node.isObject()) {
            return node.propertyNames().stream().sorted().map(name -> name + ":" + shape(node.get(name))).toList().toString();
        }
        return node.isArray() ? "[" + (node.isEmpty() ? "" : shape(node.get(0))) + "]" : node.getNodeType().toString();
    }

    /** C2SP tlog-tiles: its examples. */
    @Test
    void tilePaths() {
        assertEquals("x001/x234/067", AuditLog.name(1234067));
        assertEquals("000", AuditLog.name(0));
        assertEquals("x001/000", AuditLog.name(1000));
        assertEquals(Path.of("log/tile/0/273.p/112"), AuditLog.file(Path.of("log"), "0", 273, 112));
        assertEquals(Path.of("log/tile/entries/x001/000"), AuditLog.file(Path.of("log"), "entries", 1000, 256));
        assertEquals(List.of(256, 112, 0, 256, 17, 1, 0), List.of(AuditLog.width(0, 272, 70_000), AuditLog.width(0, 273, 70_000),
                AuditLog.width(0, 274, 70_000), AuditLog.width(1, 0, 70_000), AuditLog.width(1, 1, 70_000), AuditLog.width(2, 0,
                        70_000),
                AuditLog.width(3, 0, 70_000)));
        assertEquals(List.of(256, 1), List.of(AuditLog.width(0, 0, 256), AuditLog.width(1, 0, 256)));
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }
}
