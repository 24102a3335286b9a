package dev.lethe.spark;

import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.influence.FactorShards;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.run.RunInfo;
import dev.lethe.shape.SiteSet;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.util.CollectionAccumulator;

/**
 * Shards of an erasure's curvature. Entries travel as their places in the ledger, so an executor learns no id.
 *
 * @param entriesHash {@link FactorShards#entriesHash} of the driver
 * @param sites       names of those whose blocks are asked for
 * @param seed        by which the entries were drawn
 * @param entries     indices into {@link GradientLedger#entries}, in the order of the sums
 * @param of          shards in all
 * @param out         the folder of their files, at the same path everywhere
 */
record FactorJob(Place place, String entriesHash, List<String> sites, long seed, int[] entries, int of, String out)
        implements Job<FactorJob.Work> {
    static FactorJob of(Place place, FactorShards factors, int n, Path out) {
        Map<Entry, Integer> index = new HashMap<>();
        List<Entry> all = factors.ledger().entries();
        IntStream.range(0, all.size()).forEach(i -> index.put(all.get(i), i));
        return new FactorJob(place, factors.entriesHash(), List.copyOf(factors.sites().names()), factors.seed(),
                factors.entries().stream().mapToInt(index::get).toArray(), n, out.toAbsolutePath().normalize().toString());
    }

    /** @param machine that the files are of */
    record Work(FactorShards factors, String machine) { }

    @Override
    public Work open(Engine engine, LanguageModel model, GradientLedger ledger) {
        List<Entry> all = ledger.entries();
        List<Entry> own = IntStream.of(entries).filter(i -> i < all.size()).mapToObj(all::get).filter(entry -> !entry.destroyed()).toList();
        FactorShards factors = new FactorShards(model, ledger, own, SiteSet.of(model.sites(), sites), seed);
        Workplace.requireSame("what the ledger in " + place.folder() + " keeps is", entriesHash, factors.entriesHash(),
                "let all machines see one run; when it was erased from meanwhile, begin again");
        return new Work(factors, RunInfo.computing(engine));
    }

    /** A task: the shards of its partition, which is one. Tried again, it writes the same file. */
    record Task(Broadcast<FactorJob> job, CollectionAccumulator<Refusal> refusals) implements FlatMapFunction<Iterator<Integer>, String> {
        @Override
        public Iterator<String> call(Iterator<Integer> shards) throws Exception {
            return Refusal.guarded(refusals, files -> {
                FactorJob all = job.value();
                while (shards.hasNext()) {
                    int i = shards.next();
                    Workplace.in(all, work -> files.add(work.factors.write(i, all.of, Path.of(all.out), all.place.modelHash(), work.machine)
                            .file()));
                }
            });
        }
    }
}
