package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Reason;
import dev.lethe.shape.Block;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.ModelShape.Adapter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.zip.CRC32C;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What all entries of a ledger have in common; {@code manifest.json}.
 *
 * @param version   of the ledger format: 1, 2 when entries may lie under keys, 3 when some lie in further folders
 * @param modelHash SHA-256 hex of the model that training started from
 * @param sites     names of the sites held, in the model's order
 * @param headTopK  0 when the softmax error at the head is kept exactly, else its entries kept a token
 * @param rank      0 when a linear site keeps a row a token, else the most rows a record keeps there
 * @param sealed    no writer may append any more; destroying entries stays possible
 * @param keys      where the keys of its records are, null of a ledger in the clear
 * @param folders   names of the folders in the ledger's that hold entries of it too, each as a ledger of its own
 */
public record LedgerManifest(
        int version, String modelHash, ModelShape shape, List<String> sites, int headTopK, Dtype dtype,
        int rank, boolean sealed, Keys keys, List<String> folders) {
    /** The format of a ledger in the clear; this version also reads and writes that of one under keys. */
    public static final int VERSION = SegmentLayout.VERSION;

    private static final int FOLDERS = 3;

    private static final JsonMapper JSON = JsonMapper.builder().build();

    public LedgerManifest {
        Objects.requireNonNull(modelHash, "modelHash");
        Objects.requireNonNull(shape, "shape");
        Objects.requireNonNull(dtype, "dtype");
        sites = List.copyOf(sites);
        folders = List.copyOf(folders);
        for (String folder : folders)
            if (!folder.matches("[A-Za-z0-9][A-Za-z0-9_-]{0,63}"))
                throw new IllegalArgumentException("folder '" + folder + "' of a ledger: must be 1 to 64 letters, digits, - and _");
        if (new HashSet<>(folders).size() < folders.size())
            throw new IllegalArgumentException("folders " + folders + " of a ledger: one is there twice");
        if (sites.isEmpty()) throw new IllegalArgumentException("a ledger needs at least one site");
        if (headTopK < 0) throw new IllegalArgumentException("head top-k is " + headTopK + ", must be 0 or more");
        if (rank < 0) throw new IllegalArgumentException("rank is " + rank + ", must be 0 or more");
    }

    /**
     * The keys of a ledger's records.
     *
     * @param folder  of the keys, {@link LedgerKeys}; absolute
     * @param id      of that folder, 32 hexadecimal digits, whatever its name
     * @param ledger  of this ledger and its copies, 32 hexadecimal digits: one record has another key in another ledger
     * @param all     whether every live entry is under its key, so that one that is not was put there by somebody
     */
    public record Keys(String folder, String id, String ledger, boolean all) {
        public Keys {
            Objects.requireNonNull(folder, "folder");
            if (!id.matches("[0-9a-f]{32}") || !ledger.matches("[0-9a-f]{32}"))
                throw new IllegalArgumentException("keys " + id + " of ledger " + ledger + " are no 32 hexadecimal digits");
        }

        Keys in(String other) {
            return new Keys(other, id, ledger, all);
        }

        Keys ofAll(boolean value) {
            return new Keys(folder, id, ledger, value);
        }
    }

    /** An open ledger's manifest in the current format. */
    public static LedgerManifest of(
            String modelHash, ModelShape shape, List<String> sites, int headTopK, Dtype dtype) {
        return new LedgerManifest(VERSION, modelHash, shape, sites, headTopK, dtype, 0, false, null, List.of());
    }

    /** The same with linear sites truncated to this many rows a record. */
    public LedgerManifest withRank(int value) {
        return with(value, sealed, keys, folders);
    }

    /** The same of a new ledger whose entries all lie under keys of that folder. */
    public LedgerManifest under(LedgerKeys folder) {
        return withKeys(new Keys(folder.folder().toString(), folder.id(), LedgerKeys.newId(), true));
    }

    /** The same of a ledger with entries in these folders of its folder too, whose order is that of entries of one step. */
    public LedgerManifest withFolders(List<String> names) {
        return with(rank, sealed, keys, names);
    }

    LedgerManifest withKeys(Keys value) {
        return with(rank, sealed, value, folders);
    }

    LedgerManifest withSealed(boolean value) {
        return with(rank, value, keys, folders);
    }

    private LedgerManifest with(int rows, boolean closed, Keys under, List<String> names) {
        int format = !names.isEmpty() ? FOLDERS : under != null ? SegmentLayout.ENCRYPTED : VERSION;
        return new LedgerManifest(format, modelHash, shape, sites, headTopK, dtype, rows, closed, under, names);
    }

    /** Ties segments to their manifest: a checksum of everything but {@code sealed}, keys and folders. */
    int identity() {
        return checksum(with(rank, false, null, List.of()).fields());
    }

    void write(LedgerFolder folder) {
        ObjectNode fields = fields();
        fields.put("checksum", Integer.toHexString(checksum(fields)));
        String text = JSON.writer().with(SerializationFeature.INDENT_OUTPUT).writeValueAsString(fields) + "\n";
        folder.write(folder.manifest(), text.getBytes(StandardCharsets.UTF_8));
    }

    static LedgerManifest read(LedgerFolder folder) {
        byte[] bytes;
        try {
            bytes = Files.readAllBytes(folder.manifest());
        } catch (NoSuchFileException e) {
            throw new BadInputException(folder.path() + " holds no ledger: manifest.json is missing");
        } catch (IOException e) {
            throw new BadInputException("cannot read " + folder.manifest() + ": " + Reason.of(e, folder.manifest()));
        }
        try {
            return parse(folder, bytes);
        } catch (JacksonException | ClassCastException | IllegalArgumentException | NullPointerException e) {
            throw new DamagedDataException(folder.manifest() + " is damaged: " + Reason.of(e, folder.manifest()));
        }
    }

    private static LedgerManifest parse(LedgerFolder folder, byte[] bytes) {
        if (!(JSON.readTree(bytes) instanceof ObjectNode fields))
            throw new DamagedDataException(folder.manifest() + " is damaged: it is no JSON object");
        if (!"lethe-ledger".equals(fields.path("format").asString("")))
            throw new DamagedDataException(folder.manifest() + " is damaged: \"format\" is not \"lethe-ledger\"");
        JsonNode version = fields.path("version");
        JsonNode checksum = fields.remove("checksum");
        boolean holds = checksum != null && checksum.asString("").equals(Integer.toHexString(checksum(fields)));
        int format = version.asInt(0);
        if (version.isIntegralNumber() && (format < VERSION || format > FOLDERS) && (holds || format > FOLDERS))
            throw new BadInputException(folder.path() + " was written in ledger format " + format
                    + "; this version reads formats " + VERSION + " to " + FOLDERS + ". Open it with the version that made it");
        if (!holds) throw new DamagedDataException(folder.manifest() + " is damaged: its checksum does not match");
        JsonNode shape = fields.required("shape");
        List<String> sites = new ArrayList<>();
        fields.required("sites").forEach(site -> sites.add(site.asString()));
        List<String> folders = new ArrayList<>();
        fields.path("folders").forEach(name -> folders.add(name.asString()));
        return new LedgerManifest(version.asInt(), fields.required("modelHash").asString(),
                new ModelShape(shape.required("vocabulary").asLong(), shape.required("context").asLong(),
                        shape.required("channels").asLong(), shape.required("heads").asLong(),
                        shape.required("layers").asLong(), shape.required("inner").asLong(),
                        shape.required("layerNormEpsilon").asDouble(), shape.required("tiedHead").asBoolean(),
                        shape.has("block") ? JSON.treeToValue(shape.get("block"), Block.class) : Block.GPT2,
                        shape.has("adapters") ? List.of(JSON.treeToValue(shape.get("adapters"), Adapter[].class)) : List.of()),
                sites, fields.required("headTopK").asInt(),
                Dtype.valueOf(fields.required("dtype").asString().toUpperCase(Locale.ROOT)),
                fields.path("rank").asInt(0), fields.required("sealed").asBoolean(),
                fields.has("keys") ? JSON.treeToValue(fields.get("keys"), Keys.class) : null, folders);
    }

    private ObjectNode fields() {
        ObjectNode fields = JSON.createObjectNode();
        fields.put("format", "lethe-ledger").put("version", version).put("modelHash", modelHash);
        ObjectNode sizes = fields.putObject("shape").put("vocabulary", shape.vocabulary()).put("context", shape.context())
                .put("channels", shape.channels()).put("heads", shape.heads()).put("layers", shape.layers())
                .put("inner", shape.inner()).put("layerNormEpsilon", shape.normEpsilon())
                .put("tiedHead", shape.tiedHead());
        if (!shape.block().equals(Block.GPT2)) sizes.set("block", JSON.valueToTree(shape.block()));
        if (shape.hasAdapters()) sizes.set("adapters", JSON.valueToTree(shape.adapters()));
        ArrayNode names = fields.putArray("sites");
        sites.forEach(names::add);
        fields.put("headTopK", headTopK).put("dtype", dtype.name().toLowerCase(Locale.ROOT));
        if (rank > 0) fields.put("rank", rank);
        if (keys != null) fields.set("keys", JSON.valueToTree(keys));
        if (!folders.isEmpty()) folders.forEach(fields.putArray("folders")::add);
        return fields.put("sealed", sealed);
    }

    private static int checksum(ObjectNode fields) {
        CRC32C crc = new CRC32C();
        crc.update(JSON.writeValueAsBytes(fields));
        return (int) crc.getValue();
    }
}
