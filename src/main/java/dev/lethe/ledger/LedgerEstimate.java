package dev.lethe.ledger;

import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToLongFunction;

/**
 * What a ledger will take on the disk, known before training from the examples' token counts alone.
 *
 * @param bytes   of all segments
 * @param smaller what other options would take, smallest last; only those that shrink it
 */
public record LedgerEstimate(long bytes, List<Alternative> smaller) {
    private static final int TOP_K = 256;
    private static final int RANK = 16;

    /** A change of options and what the ledger would take then. */
    public record Alternative(String option, long bytes) {}

    /** Payload bytes of an example; as {@link CapturedEntries#bytes} for one format. */
    interface EntrySize {
        long bytes(int tokens, int targets);
    }

    public LedgerEstimate {
        smaller = List.copyOf(smaller);
    }

    /**
     * @param tokens  [N] T of each example
     * @param targets [N] positions with a loss of each example
     * @param epochs  how many epochs are captured
     */
    public static LedgerEstimate of(LanguageModel model, EntryFormat format, int[] tokens, int[] targets, int epochs) {
        ToLongFunction<EntryFormat> size = f -> total((t, n) -> model.entries().bytes(f, t, n), tokens, targets, epochs);
        long bytes = size.applyAsLong(format);
        List<Alternative> smaller = new ArrayList<>();
        SiteSet sites = format.sites();
        boolean head = sites.sites().stream().anyMatch(site -> site.kind() == Site.Kind.HEAD);
        if (format.dtype() == Dtype.F32)
            smaller.add(new Alternative("ledger_dtype=bf16",
                    size.applyAsLong(new EntryFormat(sites, format.headTopK(), Dtype.BF16, format.rank()))));
        boolean topK = model.shape().vocabulary() > TOP_K;
        if (head && topK && format.headTopK() == 0)
            smaller.add(new Alternative("head_top_k=" + TOP_K,
                    size.applyAsLong(new EntryFormat(sites, TOP_K, format.dtype(), format.rank()))));
        if (sites.sites().stream().anyMatch(site -> site.kind() == Site.Kind.LINEAR) && format.rank() == 0)
            smaller.add(new Alternative("rank=" + RANK,
                    size.applyAsLong(new EntryFormat(sites, format.headTopK(), format.dtype(), RANK))));
        boolean adapted = model.shape().hasAdapters(); // then the embedding is frozen
        SiteSet embedding = adapted ? sites : model.sites("embedding");
        if (!embedding.containsAll(sites))
            smaller.add(new Alternative("sites=embedding",
                    size.applyAsLong(new EntryFormat(embedding, format.headTopK(), format.dtype(), format.rank()))));
        if (topK && !adapted)
            smaller.add(new Alternative("sites=embedding head_top_k=" + TOP_K + " ledger_dtype=bf16",
                    size.applyAsLong(new EntryFormat(embedding, TOP_K, Dtype.BF16))));
        if (epochs > 1) smaller.add(new Alternative("capture=last", bytes / epochs));
        smaller.removeIf(alternative -> alternative.bytes() >= bytes);
        smaller.sort((a, b) -> Long.compare(b.bytes(), a.bytes()));
        return new LedgerEstimate(bytes, smaller);
    }

    static long total(EntrySize size, int[] tokens, int[] targets, int epochs) {
        long sum = 0;
        for (int i = 0; i < tokens.length; i++)
            sum = Math.addExact(sum, SegmentLayout.frameBytes(size.bytes(tokens[i], targets[i])));
        return Math.addExact(SegmentLayout.SEGMENT_HEADER_BYTES, Math.multiplyExact(sum, epochs));
    }
}
