package dev.lethe.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A site selection as text, independent of a model. Terms are separated by commas and add up:
 * <ul>
 * <li>{@code all}
 * <li>{@code embedding} = wte and lm_head, the whole gradient of a tied table; {@code embedding-input} = wte;
 *     {@code head} = lm_head
 * <li>{@code attention} = h.*.attn.*; {@code mlp} = h.*.mlp.*
 * <li>{@code block:11,12} or {@code block:0-3} = every site of those blocks, counted from 0 as in "h.0"
 * <li>a site's exact name, or a glob over names: {@code h.*.mlp.c_fc}
 * </ul>
 */
public final class SiteSelector {
    private static final Pattern BLOCKS = Pattern.compile("([0-9]{1,6})(?:-([0-9]{1,6}))?");
    private static final Pattern LAYER = Pattern.compile("^h\\.([0-9]+)\\.");

    private final String text;
    private final List<Term> terms;

    /** One term: a regular expression over names, or a range of blocks. */
    private sealed interface Term {
        record Names(String term, Pattern pattern) implements Term { }

        record Blocks(String term, int first, int last) implements Term { }
    }

    private SiteSelector(String text, List<Term> terms) {
        this.text = text;
        this.terms = terms;
    }

    /** @throws IllegalArgumentException when a term is empty or a block list is malformed */
    public static SiteSelector parse(String text) {
        List<Term> terms = new ArrayList<>();
        boolean inBlocks = false;
        for (String part : text.split(",", -1)) {
            String term = part.strip();
            if (term.isEmpty()) {
                throw new IllegalArgumentException("site selector '" + text + "': empty term; use embedding, all, "
                        + "attention, mlp, block:N, a site's name or a glob, separated by commas");
            }
            inBlocks = term.startsWith("block:") || (inBlocks && BLOCKS.matcher(term).matches());
            terms.add(inBlocks ? blocks(text, term) : names(term));
        }
        return new SiteSelector(text, List.copyOf(terms));
    }

    /**
     * The sites this selector means in a model.
     *
     * @throws IllegalArgumentException when a term selects nothing, listing what the model has
     */
    public SiteSet select(List<Site> sites) {
        BitSet chosen = new BitSet(sites.size());
        for (Term term : terms) {
            switch (term) {
                case Term.Names(String name, Pattern pattern) -> {
                    if (!selectNames(sites, pattern, chosen)) {
                        throw new IllegalArgumentException("site selector '" + text + "': no site matches '" + name
                                + "'; the model has " + describe(sites));
                    }
                }
                case Term.Blocks(String name, int first, int last) -> selectBlocks(sites, name, first, last, chosen);
            }
        }
        return new SiteSet(List.copyOf(sites), chosen);
    }

    /** As it was given to {@link #parse}. */
    @Override
    public String toString() {
        return text;
    }

    /** The site names of a model in one line, with the block number as N. */
    static String describe(List<Site> sites) {
        int blocks = blockCount(sites);
        String names = sites.stream().map(site -> LAYER.matcher(site.name()).replaceFirst("h.N."))
                .distinct().collect(Collectors.joining(", "));
        return names + (blocks == 0 ? "" : " (N = 0 to " + (blocks - 1) + ")");
    }

    private static Term names(String term) {
        String glob = switch (term) {
            case "all" -> "*";
            case "embedding-input" -> "wte";
            case "head" -> "lm_head";
            case "attention" -> "h.*.attn.*";
            case "mlp" -> "h.*.mlp.*";
            default -> term;
        };
        if (term.equals("embedding")) {
            return new Term.Names(term, Pattern.compile("wte|lm_head"));
        }
        String regex = Arrays.stream(glob.split("\\*", -1)).map(Pattern::quote).collect(Collectors.joining(".*"));
        return new Term.Names(term, Pattern.compile(regex));
    }

    private static Term blocks(String text, String term) {
        var matcher = BLOCKS.matcher(term.startsWith("block:") ? term.substring("block:".length()) : term);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("site selector '" + text + "': '" + term
                    + "' is not a block list; use block:N, block:N,M or block:N-M");
        }
        int first = Integer.parseInt(matcher.group(1));
        int last = matcher.group(2) == null ? first : Integer.parseInt(matcher.group(2));
        if (last < first) {
            throw new IllegalArgumentException("site selector '" + text + "': range " + first + "-" + last
                    + " runs backwards");
        }
        return new Term.Blocks(term, first, last);
    }

    private static boolean selectNames(List<Site> sites, Pattern pattern, BitSet chosen) {
        boolean any = false;
        for (Site site : sites) {
            if (pattern.matcher(site.name()).matches()) {
                chosen.set(site.index());
                any = true;
            }
        }
        return any;
    }

    private void selectBlocks(List<Site> sites, String term, int first, int last, BitSet chosen) {
        int blocks = blockCount(sites);
        if (last >= blocks) {
            throw new IllegalArgumentException("site selector '" + text + "': '" + term + "' names block " + last
                    + "; the model has blocks 0 to " + (blocks - 1));
        }
        for (Site site : sites) {
            int block = block(site);
            if (block >= first && block <= last) {
                chosen.set(site.index());
            }
        }
    }

    private static int blockCount(List<Site> sites) {
        return 1 + sites.stream().mapToInt(SiteSelector::block).max().orElse(-1);
    }

    /** The block a site is in, or -1. */
    private static int block(Site site) {
        var matcher = LAYER.matcher(site.name());
        return matcher.find() ? Integer.parseInt(matcher.group(1)) : -1;
    }
}
