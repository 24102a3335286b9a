package dev.lethe.engine;

import dev.lethe.base.DamagedDataException;
import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_capture;
import dev.lethe.bindings.lethe_entries;
import dev.lethe.bindings.lethe_entry_format;
import dev.lethe.bindings.lethe_entry_info;
import dev.lethe.engine.OwnedMemory.CancelFlag;
import dev.lethe.engine.OwnedMemory.Scratch;
import dev.lethe.engine.OwnedMemory.SiteMask;
import dev.lethe.natives.NativeLibrary;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.List;

/**
 * Arithmetic over captured entries, records' gradients g_i as factors that are never made dense. Part of its
 * {@link LanguageModel}, as {@link LanguageModel#entries}: the same thread, refused after it is closed.
 *
 * <p>Everywhere {@code data} are N entries of one format, native and 64-byte aligned, whose arenas stay open during the
 * call (those of a ledger do: it is held); {@code selected} are sites that the format holds, null for all it holds. S sites,
 * M queries. Entries' addresses travel inside structs, so every segment is checked here and kept until its call has returned.
 */
public final class CapturedEntries {
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private final MemorySegment model;
    private final List<Site> sites;
    private final NativeCalls calls;
    private final CancelFlag cancel;
    private final SiteMask held;     // of the format
    private final SiteMask chosen; // of the call
    private final MemorySegment formatStruct;
    private final MemorySegment struct;
    private final SiteMask asked; // of the queries' format
    private final MemorySegment queryFormat;
    private final MemorySegment queryStruct;
    private final MemorySegment capture;
    private final Scratch addresses; // [N]
    private final Scratch sizes;     // [N]
    private final Scratch queryAddresses; // [M]
    private final Scratch querySizes;     // [M]
    private final Scratch numbers;   // coefficients [N], products [N, S]

    CapturedEntries(OwnedMemory memory, MemorySegment model, List<Site> sites, NativeCalls calls, CancelFlag cancel) {
        this.model = model;
        this.sites = sites;
        this.calls = calls;
        this.cancel = cancel;
        Arena arena = memory.arena();
        held = new SiteMask(memory, sites);
        chosen = new SiteMask(memory, sites);
        asked = new SiteMask(memory, sites);
        formatStruct = lethe_entry_format.allocate(arena);
        struct = entries(arena, formatStruct);
        queryFormat = lethe_entry_format.allocate(arena);
        queryStruct = entries(arena, queryFormat);
        capture = lethe_capture.allocate(arena);
        lethe_capture.struct_size(capture, lethe_capture.sizeof());
        lethe_capture.format(capture, formatStruct);
        addresses = new Scratch(memory);
        sizes = new Scratch(memory);
        queryAddresses = new Scratch(memory);
        querySizes = new Scratch(memory);
        numbers = new Scratch(memory);
    }

    private static MemorySegment entries(Arena arena, MemorySegment format) {
        lethe_entry_format.struct_size(format, lethe_entry_format.sizeof());
        MemorySegment struct = lethe_entries.allocate(arena);
        lethe_entries.struct_size(struct, lethe_entries.sizeof());
        lethe_entries.format(struct, format);
        return struct;
    }

    /** The capture struct for a batch of {@code records}, valid until the next call. */
    MemorySegment capture(CaptureRing.Capture wanted, int records) {
        List<MemorySegment> destinations = wanted.destinations();
        if (wanted.ring() == null && destinations.size() != records) {
            throw new IllegalArgumentException("capture: " + destinations.size() + " destinations for " + records
                    + " records");
        }
        fill(formatStruct, held, wanted.format());
        lethe_capture.ring(capture, wanted.ring() == null ? MemorySegment.NULL : wanted.ring().handle());
        place("capture", destinations, true, addresses, sizes);
        lethe_capture.destinations(capture, addresses.atLeast(0));
        lethe_capture.capacities(capture, sizes.atLeast(0));
        return capture;
    }

    /** Keeps a capture's segments reachable up to here. */
    static void keep(CaptureRing.Capture capture) {
        Reference.reachabilityFence(capture);
    }

    /** Bytes of the entry of a record with so many tokens, so many of them with a loss; a multiple of 64. */
    public long bytes(EntryFormat wanted, int tokens, int targets) {
        MemorySegment out = numbers.atLeast(Long.BYTES);
        calls.done("entry bytes", LetheNative.lethe_entry_bytes(model, fill(formatStruct, held, wanted), tokens, targets,
                out, calls.begin()));
        return out.get(LONG, 0);
    }

    /** into += sum over i of coefficients[i] g_i, one matrix product a linear site. */
    public void accumulate(EntryFormat format, List<MemorySegment> data, double[] coefficients, SiteSet selected,
            ParameterVector into) {
        if (coefficients.length != data.size()) {
            throw new IllegalArgumentException("accumulate: " + coefficients.length + " coefficients for " + data.size()
                    + " entries");
        }
        if (data.isEmpty()) {
            return;
        }
        try (var _ = MappedFile.reading(data)) {
            MemorySegment entries = entries("accumulate", format, data);
            MemorySegment factors = numbers.of(coefficients);
            calls.done("accumulate", LetheNative.lethe_entries_accumulate(model, entries, factors, chosen.of(selected),
                    into.handle(), cancel.lowered(), calls.begin()));
        }
    }

    /**
     * Adds the entries' records to the pass in progress of {@code into}, as {@link KroneckerFactors#accumulate(Batch)} does, from the rows
     * that entries keep: at the weights that they were captured at. What a top-k head dropped counts as 0.
     *
     * @param into empirical, of this model, over sites that the format holds with a row a token
     */
    public void accumulate(EntryFormat format, List<MemorySegment> data, KroneckerFactors into) {
        if (data.isEmpty()) {
            return;
        }
        try (var _ = MappedFile.reading(data)) {
            MemorySegment entries = entries("factors", format, data);
            calls.done("factors of entries", LetheNative.lethe_kfac_accumulate_entries(into.handle(), model, entries, cancel.lowered(),
                    calls.begin()));
        }
    }

    /**
     * &lt;g_i, v&gt; site by site, [N][S], 0 at sites not selected. With a tied head, wte and lm_head are the two parts of
     * one tensor's product.
     */
    public double[][] dot(EntryFormat format, List<MemorySegment> data, SiteSet selected, ParameterVector vector) {
        return dot(format, data, selected, List.of(vector))[0];
    }

    /** As {@link #dot(EntryFormat, List, SiteSet, ParameterVector)} for M vectors in one pass over the entries: [M][N][S]. */
    public double[][][] dot(EntryFormat format, List<MemorySegment> data, SiteSet selected, List<ParameterVector> vectors) {
        if (data.isEmpty() || vectors.isEmpty()) {
            return new double[vectors.size()][data.size()][sites.size()];
        }
        try (var _ = MappedFile.reading(data)) {
            MemorySegment entries = entries("dot", format, data);
            MemorySegment handles = queryAddresses.atLeast((long) vectors.size() * Long.BYTES);
            for (int m = 0; m < vectors.size(); m++) {
                handles.setAtIndex(LONG, m, vectors.get(m).handle().address());
            }
            MemorySegment out = products(vectors.size(), data.size());
            calls.done("dot", LetheNative.lethe_entries_dot(model, entries, chosen.of(selected), handles, vectors.size(),
                    out, cancel.lowered(), calls.begin()));
            Reference.reachabilityFence(vectors);
            return table(out, vectors.size(), data.size());
        }
    }

    /**
     * &lt;g_i, q_m&gt; as {@code dot} gives it, [M][N][S], with the queries as captured entries too: cheaper than dense
     * vectors when a query's tokens are few.
     *
     * @param askedFormat of the queries; holds every selected site, and both parts of a tied table when one is selected
     */
    public double[][][] cross(EntryFormat format, List<MemorySegment> data, SiteSet selected, EntryFormat askedFormat,
            List<MemorySegment> queries) {
        if (data.isEmpty() || queries.isEmpty()) {
            return new double[queries.size()][data.size()][sites.size()];
        }
        try (var _ = MappedFile.reading(data); var _ = MappedFile.reading(queries)) {
            MemorySegment entries = entries("cross", format, data);
            fill(queryFormat, asked, askedFormat);
            place("cross", queries, false, queryAddresses, querySizes);
            point(queryStruct, queries.size(), queryAddresses, querySizes);
            MemorySegment out = products(queries.size(), data.size());
            calls.done("cross", LetheNative.lethe_entries_cross(model, entries, queryStruct, chosen.of(selected), out,
                    cancel.lowered(), calls.begin()));
            return table(out, queries.size(), data.size());
        }
    }

    /** &lt;g_i, g_i&gt; site by site, [N][S]; a tied table's cross terms go half to each part. */
    public double[][] squaredNorms(EntryFormat format, List<MemorySegment> data, SiteSet selected) {
        if (data.isEmpty()) {
            return new double[0][];
        }
        try (var _ = MappedFile.reading(data)) {
            MemorySegment entries = entries("norms", format, data);
            MemorySegment out = products(1, data.size());
            calls.done("norms", LetheNative.lethe_entries_cross(model, entries, MemorySegment.NULL, chosen.of(selected),
                    out, cancel.lowered(), calls.begin()));
            return table(out, 1, data.size())[0];
        }
    }

    private MemorySegment products(int queries, int count) {
        return numbers.doubles((long) queries * count * sites.size());
    }

    private double[][][] table(MemorySegment out, int queries, int count) {
        double[][][] table = new double[queries][count][sites.size()];
        long row = (long) sites.size() * Double.BYTES;
        for (int m = 0; m < queries; m++) {
            for (int i = 0; i < count; i++) {
                MemorySegment.copy(out, ValueLayout.JAVA_DOUBLE, ((long) m * count + i) * row, table[m][i], 0, sites.size());
            }
        }
        return table;
    }

    /**
     * &lt;g_i, g_j&gt; over the selected sites, [N, N] row-major, symmetric, cross terms of a tied head included.
     *
     * @param scratchBytes about how much memory the call may use
     */
    public double[] gram(EntryFormat format, List<MemorySegment> data, SiteSet selected, long scratchBytes) {
        if (data.isEmpty()) {
            return new double[0];
        }
        try (var _ = MappedFile.reading(data); Arena own = Arena.ofConfined()) { // tens of megabytes, not needed again
            MemorySegment entries = entries("gram", format, data);
            MemorySegment out = own.allocate(ValueLayout.JAVA_DOUBLE, (long) data.size() * data.size());
            calls.done("gram", LetheNative.lethe_entries_gram(model, entries, chosen.of(selected), scratchBytes, out,
                    cancel.lowered(), calls.begin()));
            return out.toArray(ValueLayout.JAVA_DOUBLE);
        }
    }

    /**
     * What an entry says of itself; on any thread that may read it.
     *
     * @throws DamagedDataException when it does not parse
     */
    public static EntryFormat.EntryInfo describe(MemorySegment entry) {
        Memory.entry("describe", entry, 0, false);
        NativeLibrary.ensure();
        try (var _ = MappedFile.reading(List.of(entry)); Arena own = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(own);
            MemorySegment info = lethe_entry_info.allocate(own);
            lethe_entry_info.struct_size(info, lethe_entry_info.sizeof());
            calls.done("describe", LetheNative.lethe_entry_describe(entry, entry.byteSize(), info, calls.begin()));
            return new EntryFormat.EntryInfo(lethe_entry_info.tokens(info), lethe_entry_info.targets(info),
                    lethe_entry_info.head_top_k(info), lethe_entry_info.dropped_share(info),
                    Dtype.of(lethe_entry_info.dtype(info)), lethe_entry_info.rank(info),
                    lethe_entry_info.truncated_share(info));
        }
    }

    /** {tokens, targets} of an entry's record, [T] each; on any thread that may read it. */
    public static int[][] tokens(MemorySegment entry) {
        int count = Math.toIntExact(describe(entry).tokens());
        try (var _ = MappedFile.reading(List.of(entry)); Arena own = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(own);
            MemorySegment tokens = own.allocate(ValueLayout.JAVA_INT, count);
            MemorySegment targets = own.allocate(ValueLayout.JAVA_INT, count);
            calls.done("entry tokens", LetheNative.lethe_entry_tokens(entry, entry.byteSize(), tokens, targets, count,
                    calls.begin()));
            return new int[][] {tokens.toArray(ValueLayout.JAVA_INT), targets.toArray(ValueLayout.JAVA_INT)};
        }
    }

    private MemorySegment fill(MemorySegment to, SiteMask mask, EntryFormat wanted) {
        lethe_entry_format.sites(to, mask.of(wanted.sites()));
        lethe_entry_format.site_count(to, sites.size());
        lethe_entry_format.head_top_k(to, wanted.headTopK());
        lethe_entry_format.dtype(to, wanted.dtype().code());
        lethe_entry_format.rank(to, wanted.rank());
        return to;
    }

    private MemorySegment entries(String operation, EntryFormat wanted, List<MemorySegment> data) {
        fill(formatStruct, held, wanted);
        place(operation, data, false, addresses, sizes);
        return point(struct, data.size(), addresses, sizes);
    }

    private static MemorySegment point(MemorySegment entries, int count, Scratch where, Scratch size) {
        lethe_entries.count(entries, count);
        lethe_entries.data(entries, where.atLeast(0));
        lethe_entries.bytes(entries, size.atLeast(0));
        return entries;
    }

    private static void place(String operation, List<MemorySegment> segments, boolean write, Scratch addresses,
            Scratch sizes) {
        MemorySegment where = addresses.atLeast((long) segments.size() * Long.BYTES);
        MemorySegment size = sizes.atLeast((long) segments.size() * Long.BYTES);
        for (int i = 0; i < segments.size(); i++) {
            where.setAtIndex(LONG, i, Memory.entry(operation, segments.get(i), i, write));
            size.setAtIndex(LONG, i, segments.get(i).byteSize());
        }
    }
}
