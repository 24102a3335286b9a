/*
 * An erasure that several ranks share, as those after the first have it: they move their model with the first one's and write nothing.
 * And what holds them together: they are at the same when they begin and have the same weights before the first one writes.
 */
package dev.lethe.erase;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import dev.lethe.engine.Engine;
import dev.lethe.engine.LanguageModel;
import dev.lethe.engine.RankGroup.RankException;
import dev.lethe.results.EraseStep;
import dev.lethe.results.Erasure;
import dev.lethe.run.Lineage;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Strategy;
import dev.lethe.strategy.Method;
import dev.lethe.train.Ranks;
import dev.lethe.train.Trainer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;

/** @param out where the first rank's new run will be */
record FollowingRank(Path out) implements Method.Fresh {
    @Override
    public void write(EraseStep step) {
        // the first rank's journal has it
    }

    @Override
    public Path retrained() {
        return GrowingFolder.of(out).resolve(ErasedRun.RETRAINED);
    }

    @Override
    public void takeOver(boolean replayed) {
        // the first rank does
    }

    /** One erasure's; says nothing where nobody shares it. */
    static final class Sharing {
        private final Ranks ranks;
        private final RunFolder source;
        private final EraseConfig config;
        private final Path out;
        private boolean moved; // in memory: from now on the new run may be made

        Sharing(Ranks ranks, RunFolder source, EraseConfig config, Path out) {
            this.ranks = ranks;
            this.source = source;
            this.config = config;
            this.out = out;
        }

        /** Runs what all do. @throws RankException of a rank that failed or is lost, which is the end of all */
        Erasure carryOut(Supplier<Erasure> body) {
            try {
                return ranks.together(body);
            } catch (RankException e) {
                String end = moved && RunFolder.isRun(out) ? "the erasure was done before that, " + out + " is there"
                        : "no new run was made and the source run is as it was";
                throw !e.lost() ? e : RankException.lost(Reason.of(e) + "; " + end, e);
            }
        }

        /** @param words what the erasure's id is made of. @throws BadInputException where ranks are not at the same, or cannot share it */
        void requireSame(Set<String> words) {
            if (ranks.alone()) {
                return;
            }
            if (config.strategy() == Strategy.REPLAY) {
                throw new BadInputException("strategy replay: a replay is one process's; leave ranks out, or take strategy retrain");
            }
            ranks.requireSameBuild();
            ranks.requireSame("threads", Integer.toString(Engine.buildInfo().threads())); // what all compute alike, in one order of sums
            ranks.requireSame("the run", source.root().toString());
            ranks.requireSameParts("the run", source.info());
            ranks.requireSame("the new run's folder", Lineage.real(out).toString());
            ranks.requireSameParts("options", config);
            ranks.requireSame("records to erase (SHA-256)", Sha256.hex(Sha256.of(new TreeSet<>(words).toString()
                    .getBytes(StandardCharsets.UTF_8))));
        }

        void requireSameWeights(LanguageModel model) {
            if (!ranks.alone()) {
                ranks.requireSame("the weights that it came to", Trainer.modelHash(model));
            }
            moved = true;
        }

        /** Waits for the first rank's. @param own of the first rank, null on others */
        Erasure done(Erasure own) {
            return ranks.ofFirst(own, Erasure.class);
        }
    }
}
