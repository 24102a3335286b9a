/*
 * EK-FAC of what a ledger keeps, in one process or by shards. The matrix has a block a tensor, and no sum runs over two of them; so a
 * shard is the blocks of some sites, of all entries, in both passes and with its own eigenproblems. The shards' numbers, one file
 * behind the other, are those of one process to the bit. Leaves out shards of the entries: their sums would have to meet, twice.
 */
package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.engine.KroneckerFactors;
import dev.lethe.engine.KroneckerFactors.Fisher;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Factors that can be asked for. Confined to the model's thread.
 *
 * @param entries live ones, each once; their order is that of the sums
 * @param sites   whose tensors have a block; of a tied table both
 * @param seed    by which the entries were drawn
 */
public record FactorShards(LanguageModel model, GradientLedger ledger, List<Entry> entries, SiteSet sites, long seed) {
    /** How the names of the files end. */
    public static final String ENDING = ".factors";

    private static final int BATCH = 32; // entries
    private static final Pattern SHARD = Pattern.compile("([1-9][0-9]{0,8})/([1-9][0-9]{0,8})");

    public FactorShards {
        entries = List.copyOf(entries);
        sites = FactorFit.whole(model, sites);
    }

    /** A file that was written; what --json gives of a shard. */
    public record Written(String file, int shard, int of, List<String> sites, int entries, long bytes) {}

    /** All blocks; the caller closes them. Throws as {@link FactorFit#fit(LanguageModel, GradientLedger, List)}. */
    public KroneckerFactors fit() {
        return fit(sites);
    }

    private KroneckerFactors fit(SiteSet some) {
        return new FactorFit(new FactorFit.Options(some, Fisher.EMPIRICAL, true, 0, BATCH, seed), FactorFit.Listener.NONE)
                .fit(model, ledger, entries);
    }

    /**
     * The i-th of n shards, from 1, as a file in the folder, whole or not at all.
     *
     * @param modelHash of the model's weights
     * @param machine   what decides about a sum's last bits; shards of different ones do not go together
     * @throws BadInputException when there are fewer blocks than shards, or the file cannot be written
     */
    public Written write(int i, int n, Path folder, String modelHash, String machine) {
        SiteSet own = sites(i, n);
        Path file = Parts.file(folder, i, n, ENDING);
        Map<String, String> also = new LinkedHashMap<>();
        also.put("shard", i + "/" + n);
        also.put("entries", entriesHash());
        also.put("of", String.join(",", sites.names()));
        also.put("machine", machine);
        if (Files.exists(folder) && !Files.isDirectory(folder)) { // before what may take hours
            throw new BadInputException(folder + ": is no folder, and the shards need one");
        }
        try (KroneckerFactors factors = fit(own)) {
            PrivateFiles.makeFolder(folder);
            factors.save(file, modelHash, also);
            return new Written(file.toString(), i, n, List.copyOf(own.names()), entries.size(), Files.size(file));
        } catch (IOException e) {
            throw new BadInputException(file + ": cannot be written: " + Reason.of(e, file), e);
        }
    }

    /**
     * All blocks from the shards in a folder; the caller closes them. Throws as {@link #require}.
     *
     * @throws dev.lethe.base.DamagedDataException when one was changed
     */
    public KroneckerFactors read(Path folder, String modelHash) {
        return model.loadFactors(require(folder, modelHash), modelHash);
    }

    /**
     * The files of all shards in a folder, in their order, by what they say of themselves.
     *
     * @throws BadInputException when they are not all the shards of what is asked for here, saying which file differs in what
     * @throws dev.lethe.base.DamagedDataException when one was cut
     */
    public List<Path> require(Path folder, String modelHash) {
        List<Shard> shards = Parts.inOrder(Parts.in(folder, ENDING).stream().map(Shard::open).toList());
        Shard one = shards.getFirst();
        one.require("model", "the weights of another model", modelHash);
        one.require("of", "other sites", String.join(",", sites.names()));
        one.require("entries", "other entries of the ledger (the records to erase, contrast_sample and seed draw them)", entriesHash());
        return shards.stream().map(Shard::file).toList();
    }

    /** Of which entries these are, and by which seed they were drawn. */
    public String entriesHash() {
        return LedgerBlocks.of(entries, Long.MAX_VALUE).sha256() + " by seed " + seed;
    }

    /** The most shards that there can be: one a block. */
    public int most() {
        return blocks().size();
    }

    /** The sites of each block, in the order in which their numbers lie. */
    private List<List<Site>> blocks() {
        List<List<Site>> blocks = new ArrayList<>();
        for (Site site : model.sites()) {
            if (sites.contains(site) && site.kind() == Site.Kind.HEAD && model.shape().tiedHead()) {
                blocks.getFirst().add(site); // the table's block is its too
            } else if (sites.contains(site)) {
                blocks.add(new ArrayList<>(List.of(site)));
            }
        }
        return blocks;
    }

    /** Blocks one after the other, at least one a shard, each shard as near to its share of what those before it left as can be. */
    private SiteSet sites(int i, int n) {
        List<List<Site>> blocks = blocks();
        if (n > blocks.size()) {
            throw new BadInputException("shard " + i + "/" + n + ": the curvature at these sites has " + blocks.size()
                    + " blocks, one a tensor, and a shard has at least one; ask for at most " + blocks.size());
        }
        double[] sizes = blocks.stream().mapToDouble(block -> numbers(block.getFirst())).toArray();
        int from = 0;
        int to = 0;
        double left = Arrays.stream(sizes).sum();
        for (int shard = 1; shard <= i; shard++) {
            double share = left / (n - shard + 1);
            double own = sizes[to];
            for (from = to++; to < sizes.length - (n - shard) && own + sizes[to] / 2 < share; to++) {
                own += sizes[to];
            }
            left -= own;
        }
        List<List<Site>> own = blocks.subList(from, i == n ? sizes.length : to);
        return SiteSet.of(model.sites(), own.stream().flatMap(List::stream).map(Site::name).toList());
    }

    /** About as many as its block has, and its sums and eigenproblems cost by. */
    private static double numbers(Site site) {
        double in = site.inputs();
        double out = site.outputs();
        return switch (site.kind()) {
            case LINEAR -> in * in + out * out + in * out;
            case NORM -> 2 * out;
            case EMBEDDING, POSITION -> in * out + out * out;
            case HEAD -> in * out + in * in;
        };
    }

    /** A shard's file and what it says of itself. */
    private record Shard(Path file, int shard, int of, Map<String, String> said) implements Parts.Part {
        static Shard open(Path file) {
            Map<String, String> said = KroneckerFactors.saidBy(file);
            Matcher shard = SHARD.matcher(said.getOrDefault("shard", ""));
            if (!shard.matches()) {
                throw new BadInputException(file + ": holds factors and is no shard of them, which computing a shard of a curvature"
                        + " writes");
            }
            return new Shard(file, Integer.parseInt(shard.group(1)), Integer.parseInt(shard.group(2)), said);
        }

        @Override
        public Map<String, Object> asked() {
            Map<String, Object> asked = new LinkedHashMap<>();
            asked.put("the weights of another model", said.get("model"));
            asked.put("other entries of the ledger", said.get("entries"));
            asked.put("other sites", said.get("of"));
            asked.put("another machine", said.get("machine"));
            return asked;
        }

        void require(String word, String what, String wanted) {
            String is = said.get(word);
            if (!wanted.equals(is)) {
                throw new BadInputException(file + " was computed with " + what + " than this erasure asks for: " + is + ", not " + wanted
                        + "; compute all shards again by this erasure's own options");
            }
        }

        @Override
        public String toString() {
            return file.toString();
        }
    }
}
