package dev.lethe.shape;

import dev.lethe.shape.Site.Role;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A site selection as text, independent of a model. Terms are separated by commas and add up:
 * <ul>
 * <li>{@code all}
 * <li>{@code embedding} = token table and head, the whole gradient of a tied table; {@code embedding-input} = the token
 *     table; {@code head} = the head
 * <li>{@code attention}, {@code mlp} = their linear sites, in all blocks; {@code mlp-output} = the MLP's last
 * <li>{@code block:11,12} or {@code block:0-3} = every site of those blocks, counted from 0
 * <li>a site's exact name, or a glob over names: {@code h.*.mlp.c_fc}
 * </ul>
 * In a model with adapters each means the adapters' sites, two a module, and a module's name means its two.
 */
public final class SiteSelector {
    private static final Pattern BLOCKS = Pattern.compile("([0-9]{1,6})(?:-([0-9]{1,6}))?");
    private static final Map<String, Set<Role>> ROLES = Map.of(
            "embedding", EnumSet.of(Role.EMBEDDING, Role.HEAD),
            "embedding-input", EnumSet.of(Role.EMBEDDING),
            "head", EnumSet.of(Role.HEAD),
            "attention", EnumSet.of(Role.ATTENTION_INPUT, Role.ATTENTION_OUTPUT),
            "mlp", EnumSet.of(Role.MLP_INPUT, Role.MLP_OUTPUT),
            "mlp-output", EnumSet.of(Role.MLP_OUTPUT));

    private final String text;
    private final List<Term> terms;

    /** One term, and the sites that it takes; {@code last}: of its blocks, -1 when it names none. */
    private record Term(String text, Predicate<Site> takes, int last) { }

    private SiteSelector(String text, List<Term> terms) {
        this.text = text;
        this.terms = terms;
    }

    /**
     * Reads a selector.
     *
     * @param text as it is written
     * @return the selector
     * @throws IllegalArgumentException when a term is empty or a block list is malformed
     */
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
     * @param sites of the model, in its order
     * @return the sites
     * @throws IllegalArgumentException when a term selects nothing, or frozen sites alone, listing what there is
     */
    public SiteSet select(List<Site> sites) {
        BitSet chosen = new BitSet(sites.size());
        int blocks = blockCount(sites);
        for (Term term : terms) {
            if (term.last >= blocks) {
                throw new IllegalArgumentException("site selector '" + text + "': '" + term.text + "' names block "
                        + term.last + "; the model has blocks 0 to " + (blocks - 1));
            }
            List<Site> taken = sites.stream().filter(term.takes).toList();
            if (taken.isEmpty()) {
                throw new IllegalArgumentException("site selector '" + text + "': no site matches '" + term.text
                        + "'; the model has " + describe(sites));
            }
            List<Site> trained = taken.stream().filter(site -> !site.frozen()).toList();
            if (trained.isEmpty()) {
                throw new IllegalArgumentException("site selector '" + text + "': '" + term.text + "' is of the frozen base ("
                        + describe(taken) + "); trained are the adapters on "
                        + describe(sites.stream().filter(site -> !site.frozen()).toList()));
            }
            trained.forEach(site -> chosen.set(site.index()));
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
        String names = sites.stream().map(site -> site.name().replace("." + site.block() + ".", ".N."))
                .distinct().collect(Collectors.joining(", "));
        return names + (blocks == 0 ? "" : " (N = 0 to " + (blocks - 1) + ")");
    }

    private static Term names(String term) {
        Set<Role> roles = ROLES.get(term);
        if (roles != null) {
            return new Term(term, site -> roles.contains(site.role()), -1);
        }
        String glob = term.equals("all") ? "*" : term;
        Pattern pattern = Pattern.compile(
                Arrays.stream(glob.split("\\*", -1)).map(Pattern::quote).collect(Collectors.joining(".*")) + "(\\.lora_[AB])?");
        return new Term(term, site -> pattern.matcher(site.name()).matches(), -1);
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
        return new Term(term, site -> site.block() >= first && site.block() <= last, last);
    }

    private static int blockCount(List<Site> sites) {
        return 1 + sites.stream().mapToInt(Site::block).max().orElse(-1);
    }
}
