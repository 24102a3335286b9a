package dev.lethe.results;

import dev.lethe.find.ForgetSet;
import dev.lethe.find.ForgetSet.Match;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The account of one erasure, as kept in the new run's {@code journal/erasure.json}.
 *
 * @param id            16 hexadecimal digits: HMAC under the run's id.key of source model, record ids and configuration
 * @param source        the run that was erased from
 * @param out           the new run
 * @param records       ids of the erased records; in the journal's account HMAC of each of them
 * @param matches       how they were found, {@link ForgetSet#plain}: reasons without a word of the records; empty where the request
 *                      was not looked for, and in accounts of earlier versions
 * @param config        how it was done
 * @param target        forget loss aimed at, nats a token
 * @param before        losses before the first step
 * @param after         losses of the new run's model
 * @param ascents       steps of the ascent or the objective that were kept
 * @param repairs       steps that saw retain records: repair, objectives with a retain term, a retraining's own, passes for a curvature
 * @param reached       whether it came to the target, or iteratively to the end of the influence
 * @param influenceLeft share of the influence before that is left. Influence is how much lower the records' loss is than the
 *                      target, which stands for a model that never saw them (counterfactual influence, Zhang et al. 2023,
 *                      arXiv 2112.12938); stored gradients do not measure it, see {@link InfluenceChange}
 * @param broken        what spoke against the outcome, sentences; empty unless the guards were ignored
 * @param trainSteps    optimizer steps of the source run's training, to see the repair's share of
 * @param relearning    what the probe found
 * @param influence     influence of the training records on the forget set's loss, before and after
 * @param entriesDestroyed ledger entries destroyed, counted in the run that had most of them; 0 when told to keep them
 * @param copies        learned records that are copies of erased ones, taken ones among {@code records}; held-out ones that
 *                      are copies of any learned record
 * @param places        the runs of the lineage with the entries that were destroyed in each; runs share files, so the numbers
 *                      do not add up
 * @param left          where the erased records are or may be still, as far as is known, and which no erasure cleans: older
 *                      models, data files, files of others
 * @param software      what did it; null in accounts of earlier versions
 */
public record Erasure(String id, Path source, Path out, List<String> records, List<Match> matches, EraseConfig config, double target,
                      Losses before, Losses after, int ascents, int repairs, boolean reached,
                      double influenceLeft, List<String> broken, long trainSteps, Relearning relearning, InfluenceChange influence,
                      int entriesDestroyed, List<Copy> copies, List<Destroyed> places, List<Trace> left,
                      @Nullable Software software) {
    /** Copies its lists. */
    public Erasure {
        records = List.copyOf(records);
        matches = matches == null ? List.of() : List.copyOf(matches);
        copies = List.copyOf(copies);
        places = List.copyOf(places);
        left = List.copyOf(left);
    }

    /**
     * Loss of records not shown after fine-tuning on a few that were; NaN where there were too few records.
     *
     * @param before  forget records under the source model
     * @param after   forget records under the new model
     * @param heldOut held-out records under the new model: what records never seen give
     */
    public record Relearning(double before, double after, double heldOut) { }

    /**
     * What it was carried out with.
     *
     * @param torch version of libtorch
     * @param isa instruction set of the CPU's loops
     * @param device as {@code cpu} or {@code cuda:0}
     * @param lethe version
     * @param java version
     */
    public record Software(String lethe, String java, String torch, String isa, String device) { }

    /**
     * {@return the same with what was destroyed where, and with what is left}
     *
     * @param where runs and their entries
     * @param left what no erasure cleans
     */
    public Erasure withDestroyed(List<Destroyed> where, List<Trace> left) {
        int most = where.stream().mapToInt(Destroyed::entries).max().orElse(0);
        return new Erasure(id, source, out, records, matches, config, target, before, after, ascents, repairs, reached,
                influenceLeft, broken, trainSteps, relearning, influence, most, copies, where, left, software);
    }

    /**
     * {@return it as the account has it} No id but under the key, no subject.
     *
     * @param key of an id what stands for it
     */
    public Erasure under(UnaryOperator<String> key) {
        List<Copy> named = copies.stream().map(copy -> copy.under(key)).toList();
        List<Match> found = matches.stream().map(match -> new Match(key.apply(match.recordId()), match.score(), match.reason()))
                .sorted(Comparator.comparing(Match::recordId)).toList();
        return new Erasure(id, source, out, records.stream().map(key).sorted().toList(), found, config, target, before, after,
                ascents, repairs, reached, influenceLeft, broken, trainSteps, relearning, influence, entriesDestroyed, named,
                places, left, software);
    }

    /** {@return ids of all that leaves the run: the erased records, and copies of them that were held out} */
    public Set<String> leaving() {
        return Stream.concat(records.stream(), copies.stream().filter(Copy::taken).map(Copy::recordId))
                .collect(Collectors.toSet());
    }

    /** {@return steps that saw retain records as a share of the training's steps} */
    public double repairShare() {
        return trainSteps == 0 ? Double.NaN : (double) repairs / trainSteps;
    }

    /**
     * The account of an erasure that was carried out in memory only, to be measured and thrown away: nothing was written, no
     * guard refused it, no relearning was probed.
     *
     * @param target     forget loss aimed at, nats a token
     * @param before     losses before the first step
     * @param after      losses at the end
     * @param ascents    ascent steps kept
     * @param repairs    repair steps taken
     * @param trainSteps optimizer steps of the source run's training
     * @param broken     what the guards of the configuration would have refused it for; empty when it would have passed
     * @param influence  influence of the training records on the forget set's loss, before and after
     */
    public record Trial(double target, Losses before, Losses after, int ascents, int repairs, long trainSteps,
                        List<String> broken, InfluenceChange influence) {
        /** Copies its lists. */
        public Trial {
            broken = List.copyOf(broken);
        }
    }
}
