/*
 * A shard's rows as one file, and all shards' files made into the scores of one process. The file is written whole or not at all.
 *
 *   magic 8 | bytes of JSON 4 | JSON: header | part* | 'E' 1 | SHA-256 of all before 32
 *   part = 'T' 1 | queries M 4 | query*: bytes of name 4, name, form 1 (0 dense, 1 factored, 2 none), norm 8
 *        | 'R' 1 | first 4 | entries N 4 | norms there 1 | norms 8 [N] | products 8 [M][N][sites of the header]
 *
 * Numbers are little-endian. Rows know records by position alone; who has the ledger knows whose they are.
 */
package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import dev.lethe.influence.EntryRows.Asked;
import dev.lethe.influence.ScoreMerger.QueryScores;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.run.RunJson;
import dev.lethe.shape.Site;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** One shard's file, checked and open to be read once from front to back. One thread. */
public final class PartialScores implements Parts.Part, AutoCloseable {
    /** How the names of such files end. */
    public static final String ENDING = ".scores";

    private static final int VERSION = 1;
    private static final long MAGIC = 0x31524353_4548544CL; // "LTHESCR1"
    private static final int LARGEST_HEADER = 1 << 26;
    private static final QueryForm[] FORMS = {QueryForm.DENSE, QueryForm.FACTORED, null};

    /**
     * What a file is of.
     *
     * @param request the same in every shard
     * @param shard   which one this is, from 1
     * @param of      how many there are
     * @param first   position of its first entry
     * @param last    position behind its last entry
     */
    public record Header(int version, ScoreRequest request, int shard, int of, int first, int last) {
        public Header {
            Objects.requireNonNull(request, "request");
            if (shard < 1 || shard > of || first < 0 || last < first) throw new IllegalArgumentException("no shard " + shard + "/" + of);
        }
    }

    private final String place; // what errors name
    private final Header header;
    private final DataInputStream in;
    private int queries; // of the turn
    private int tag = -1; // of the part that follows, read already
    private ByteBuffer row = ByteBuffer.allocate(0);

    private PartialScores(String place, Header header, DataInputStream in) {
        this.place = place;
        this.header = header;
        this.in = in;
    }

    /** Writes a shard: {@code pass} gives the rows, as {@link InfluenceScorer#rows}. @param sites of the model */
    public static void write(Path file, ScoreRequest request, LedgerBlocks.Shard shard, List<Site> sites, Consumer<EntryRows.Sink> pass) {
        Io.input(file + ": cannot be written", () -> PrivateFiles.write(file, out -> write(out, request, shard, sites, pass)));
    }

    /** The same into a stream, which stays open. */
    private static void write(OutputStream to, ScoreRequest request, LedgerBlocks.Shard shard, List<Site> sites,
            Consumer<EntryRows.Sink> pass) throws IOException {
        MessageDigest digest = Sha256.digest();
        OutputStream out = new BufferedOutputStream(new DigestOutputStream(to, digest), 1 << 16);
        byte[] json = RunJson.line(new Header(VERSION, request, shard.i(), shard.n(), shard.first(), shard.last()))
                .getBytes(StandardCharsets.UTF_8);
        out.write(room(12 + json.length).putLong(MAGIC).putInt(json.length).put(json).array());
        try {
            pass.accept(new Rows(out, counted(request, sites)));
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        out.write('E');
        out.flush();
        to.write(digest.digest());
    }

    /** Indices of the sites whose products are in the file. */
    private static int[] counted(ScoreRequest request, List<Site> sites) {
        return sites.stream().filter(site -> request.sites().contains(site.name())).mapToInt(Site::index).toArray();
    }

    private static ByteBuffer room(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The writing side of the parts. */
    private record Rows(OutputStream out, int[] sites) implements EntryRows.Sink {
        @Override
        public void turn(List<Asked> queries) {
            put(room(5).put((byte) 'T').putInt(queries.size()));
            for (Asked query : queries) {
                byte[] name = query.name().getBytes(StandardCharsets.UTF_8);
                byte form = (byte) (query.form() == null ? 2 : query.form() == QueryForm.FACTORED ? 1 : 0);
                put(room(13 + name.length).putInt(name.length).put(name).put(form).putDouble(query.norm()));
            }
        }

        @Override
        public void rows(EntryRows rows) {
            int count = rows.products()[0].length;
            put(room(10).put((byte) 'R').putInt(rows.first()).putInt(count).put((byte) (rows.norms() == null ? 0 : 1)));
            if (rows.norms() != null) {
                ByteBuffer norms = room(count * Double.BYTES);
                norms.asDoubleBuffer().put(rows.norms());
                put(norms);
            }
            ByteBuffer row = room(sites.length * Double.BYTES);
            for (double[][] query : rows.products())
                for (double[] bySite : query) {
                    row.clear();
                    for (int site : sites) row.putDouble(bySite[site]);
                    put(row);
                }
        }

        private void put(ByteBuffer bytes) {
            Io.disk("writing rows", () -> out.write(bytes.array()));
        }
    }

    /**
     * Opens a shard's file, having read all of it once.
     *
     * @throws BadInputException    when it is none, or of another version
     * @throws DamagedDataException when it is cut short, or its SHA-256 does not match
     */
    public static PartialScores open(Path file) {
        try {
            requireWhole(file);
            return open(Files.newInputStream(file), file.toString());
        } catch (EOFException e) {
            throw damaged(file.toString(), "it is cut short");
        } catch (IOException e) {
            throw new BadInputException(file + ": cannot be read: " + Reason.of(e, file), e);
        }
    }

    /** Of bytes whose SHA-256 was looked at. Closed with this. @param place what errors are to name */
    private static PartialScores open(InputStream stream, String place) throws IOException {
        DataInputStream in = new DataInputStream(new BufferedInputStream(stream, 1 << 16));
        try {
            if (Long.reverseBytes(in.readLong()) != MAGIC) throw foreign(place);
            int length = Integer.reverseBytes(in.readInt());
            if (length < 2 || length > LARGEST_HEADER) throw damaged(place, "its header has " + length + " bytes");
            String json = new String(in.readNBytes(length), StandardCharsets.UTF_8);
            int version = RunJson.tree(json, place).path("version").asInt(0);
            if (version != VERSION)
                throw new BadInputException(place + ": is a partial result of version " + version + ", this Lethe reads version "
                        + VERSION + "; score the shard again");
            return new PartialScores(place, RunJson.read(json, Header.class, place), in);
        } catch (IOException | RuntimeException e) {
            in.close();
            throw e;
        }
    }

    private static void requireWhole(Path file) throws IOException {
        MessageDigest digest = Sha256.digest();
        long left = Files.size(file) - 32;
        byte[] buffer = new byte[1 << 20];
        try (InputStream in = Files.newInputStream(file)) {
            byte[] magic = in.readNBytes(8);
            if (magic.length < 8 || room(8).put(magic).getLong(0) != MAGIC) throw foreign(file.toString());
            digest.update(magic);
            for (left -= 8; left > 0; ) {
                int got = in.read(buffer, 0, (int) Math.min(buffer.length, left));
                if (got < 0) throw new EOFException();
                digest.update(buffer, 0, got);
                left -= got;
            }
            if (left < 0 || !MessageDigest.isEqual(digest.digest(), in.readNBytes(32)))
                throw damaged(file.toString(), "its SHA-256 does not match");
        }
    }

    public Header header() {
        return header;
    }

    /**
     * The scores of all shards, as {@link InfluenceScorer#scores} gives them.
     *
     * @param parts  in any order; each is read to its end
     * @param blocks of the same entries, now
     * @param sites  of the model
     * @throws BadInputException    when they are not all the shards of one request, or the ledger's entries are others now
     * @throws DamagedDataException when a file's parts do not fit together
     */
    public static void merge(List<PartialScores> parts, LedgerBlocks blocks, List<Site> sites, BiConsumer<Weighing, QueryScores> each) {
        List<PartialScores> shards = inOrder(parts, blocks);
        ScoreRequest request = shards.getFirst().header.request;
        int[] counted = counted(request, sites);
        ScoreMerger merger = new ScoreMerger(blocks, sites.size(), request.weighings(), each);
        try {
            for (boolean first = true; ; first = false) {
                List<Asked> turn = null;
                for (PartialScores shard : shards) {
                    List<Asked> own = shard.turn(first);
                    if (shard == shards.getFirst()) {
                        if (own == null) break;
                        turn = own;
                        merger.turn(turn);
                    } else {
                        requireSame(shards.getFirst(), turn, shard, own);
                    }
                    shard.rows(counted, sites.size(), merger);
                }
                if (turn == null) break;
            }
            merger.end();
        } catch (IllegalStateException e) {
            throw damaged(shards.getFirst().place, Reason.of(e));
        }
    }

    /** All shards, whose entries are those of the ledger as it is. */
    private static List<PartialScores> inOrder(List<PartialScores> parts, LedgerBlocks blocks) {
        List<PartialScores> shards = Parts.inOrder(parts);
        int position = 0;
        for (PartialScores shard : shards) {
            if (shard.header.first != position)
                throw new BadInputException(shard + ": " + Parts.name(shard) + " begins with entry " + shard.header.first
                        + ", the one before it ends at " + position + "; score the shards again, all in one way");
            position = shard.header.last;
        }
        PartialScores one = shards.getFirst();
        if (!one.header.request.ledger().equals(blocks.sha256()) || position != blocks.entries().size())
            throw new BadInputException(one + ": the ledger has changed since: " + position + " of its entries were asked for, now "
                    + blocks.entries().size() + " are, or they are others (an erasure takes entries away); score the shards again");
        return shards;
    }

    /** Norms stand for the queries' vectors, which every shard computes for itself. */
    private static void requireSame(PartialScores one, List<Asked> turn, PartialScores other, List<Asked> own) {
        if (turn.equals(own)) return;
        throw new BadInputException(other + ": computed its queries' gradients to other bits than " + one + "; score both on machines of"
                + " one kind with one number of threads, and with the same saved factors");
    }

    /** The next turn's queries, or null at the end. */
    private List<Asked> turn(boolean first) {
        try {
            int next = first ? in.readByte() : tag;
            if (next == 'E') return null;
            if (next != 'T') throw damaged(place, "no turn begins where one must");
            queries = Integer.reverseBytes(in.readInt());
            if (queries < 1 || queries > 1 << 24) throw damaged(place, queries + " queries");
            List<Asked> asked = new ArrayList<>();
            for (int m = 0; m < queries; m++) {
                int length = Integer.reverseBytes(in.readInt());
                if (length < 0 || length > LARGEST_HEADER) throw damaged(place, "a name of " + length + " bytes");
                String name = new String(in.readNBytes(length), StandardCharsets.UTF_8);
                int form = in.readByte();
                if (form < 0 || form >= FORMS.length) throw damaged(place, "form " + form);
                asked.add(new Asked(name, FORMS[form], Double.longBitsToDouble(Long.reverseBytes(in.readLong()))));
            }
            return asked;
        } catch (EOFException e) {
            throw damaged(place, "it is cut short");
        } catch (IOException e) {
            throw new UncheckedIOException(place + ": cannot be read: " + Reason.of(e), e);
        }
    }

    private void rows(int[] counted, int sites, EntryRows.Sink sink) {
        try {
            int at = header.first;
            for (tag = in.readByte(); tag == 'R'; tag = in.readByte()) {
                int first = Integer.reverseBytes(in.readInt());
                int count = Integer.reverseBytes(in.readInt());
                if (first != at || count < 1 || count > header.last - at) throw damaged(place, "rows " + first + " to " + (first + count));
                double[] norms = in.readByte() == 0 ? null : doubles(count);
                double[][][] products = new double[queries][count][sites];
                for (double[][] query : products)
                    for (double[] bySite : query) {
                        double[] values = doubles(counted.length);
                        for (int s = 0; s < counted.length; s++) bySite[counted[s]] = values[s];
                    }
                sink.rows(new EntryRows(first, norms, products));
                at += count;
            }
            if (at != header.last) throw damaged(place, "rows end at " + at + " of " + header.last);
        } catch (EOFException e) {
            throw damaged(place, "it is cut short");
        } catch (IOException e) {
            throw new UncheckedIOException(place + ": cannot be read: " + Reason.of(e), e);
        }
    }

    private double[] doubles(int count) throws IOException {
        if (row.capacity() != count * Double.BYTES) row = room(count * Double.BYTES);
        in.readFully(row.array());
        double[] values = new double[count];
        row.asDoubleBuffer().get(values);
        return values;
    }

    private static BadInputException foreign(String place) {
        return new BadInputException(place + ": is no partial result, which scoring a shard writes");
    }

    private static DamagedDataException damaged(String place, String what) {
        return new DamagedDataException(place + ": is damaged: " + what + "; score its shard again");
    }

    @Override
    public int shard() {
        return header.shard;
    }

    @Override
    public int of() {
        return header.of;
    }

    @Override
    public Map<String, Object> asked() {
        Map<String, Object> asked = new LinkedHashMap<>();
        ScoreRequest request = header.request;
        asked.put("the weights of another model", request.model());
        asked.put("another ledger, or other entries of it,", request.ledger());
        asked.put("other queries", request.queries());
        asked.put("other sites", request.sites());
        asked.put("another weighing", request.weighings());
        request.settings().forEach((name, value) -> asked.put("another " + name, value));
        return asked;
    }

    @Override
    public String toString() {
        return place;
    }

    @Override
    public void close() {
        try {
            in.close();
        } catch (IOException e) {
            System.getLogger("dev.lethe.influence").log(System.Logger.Level.DEBUG, "cannot close " + place, e);
        }
    }
}
