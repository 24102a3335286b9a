package dev.lethe.spec;

import dev.lethe.base.BadInputException;
import dev.lethe.data.DataForm;
import dev.lethe.eval.Continuations;
import dev.lethe.metric.MembershipScores;
import dev.lethe.settings.TrainConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * A sweep as its JSON file describes it (docs/experiment.md, spec.schema.json): checked, with defaults filled in, paths
 * still as they were written. {@link SpecReader} makes it. Immutable.
 *
 * @param name       of the study, for titles
 * @param file       where it was read, for messages and relative paths
 * @param data       the records
 * @param model      {@code gpt2[:layers=..]} or a model folder
 * @param tokenizer  folder with tokenizer.json, or null for the model's own
 * @param base       the model of this shape that all others are trained further from, or null
 * @param training   how every model is trained
 * @param seeds      of training and of every sample drawn; distinct, at least one
 * @param heads      {@code tied}, {@code untied}
 * @param forget     what is to be forgotten, by name
 * @param cells      what is done to forget it
 * @param oracles    retrained models that each cell is compared with by KLoM and U-LiRA; 0 = none
 * @param relearn    the relearning probe
 * @param measure    what is measured, and on how much
 * @param sequential requests one after the other on one run, or null
 */
public record Spec(String name, Path file, Data data, String model, String tokenizer, Base base, Training training,
                   List<Long> seeds, List<String> heads, Map<String, Forget> forget, List<Block> cells, int oracles, Relearn relearn,
                   Measure measure, Sequential sequential) {

    /** Retrained models below which KLoM's and U-LiRA's numbers are mostly chance. */
    public static final int ORACLES_NEEDED = 8;

    /**
     * @param bundled  name of data inside Lethe ({@code people}), or null
     * @param file     JSON Lines, or null
     * @param subjects only these subjects are learned; null = all
     * @param ids      only these records are learned; null = all
     * @param holdout  records never learned
     * @param tofu     TOFU's evaluation sets, or null
     * @param form     how the files are read
     */
    public record Data(String bundled, String file, Set<String> subjects, Set<String> ids, Holdout holdout, Tofu tofu,
                       DataForm form) { }

    /**
     * @param file     of held-out records; null = the data's own file
     * @param subjects of the file that are held out; null = all of a file, none of the data
     * @param fraction of the data's subjects held out; 0 = none
     */
    public record Holdout(String file, Set<String> subjects, double fraction) { }

    /**
     * @param records     files of perturbed answers by record id: of what is forgotten and what is kept
     * @param realAuthors file, or null
     * @param worldFacts  file, or null
     */
    public record Tofu(List<String> records, String realAuthors, String worldFacts) { }

    /**
     * @param data       text, a line a record
     * @param holdout    text of the same kind that is never learned
     * @param vocabulary ids of the tokenizer that is made of the text; 0 = the study's tokenizer is given
     * @param training   as the study's; nothing is captured
     * @param seed       of its training
     * @param sample     the most records of each text that models are measured on
     */
    public record Base(String data, String holdout, int vocabulary, Training training, long seed, int sample) { }

    /**
     * @param config its settings; seed, held-out records and what is captured follow from the cells
     * @param model  a model folder, {@code {seed}} standing for the seed, that was trained so elsewhere and is adopted; null = it
     *              is trained here
     * @param late   a file of subjects or ids that the model that learns everything learns in its end alone, or null
     */
    public record Training(TrainConfig config, String model, String late) {
        public String model(long seed) {
            return model.replace("{seed}", Long.toString(seed));
        }
    }

    /**
     * Records to be forgotten: exactly one of the three.
     *
     * @param subjects  of the records, or null
     * @param ids       of the records, or null
     * @param text      that the records are like, or null
     * @param fuzzy     least likeness to the text
     * @param retrained a run that never learned them, {@code {seed}} standing for the seed; null = it is trained here
     */
    public record Forget(Set<String> subjects, Set<String> ids, String text, double fuzzy, String retrained) { }

    /**
     * A cross product of what is done. An axis that is null has the strategy's own value.
     *
     * @param name   of the variant; null = made from the axes
     * @param forget names of forget sets; null = all
     * @param seeds  a part of the study's; null = all
     * @param heads  a part of the study's; null = all
     * @param erase  other options of an erasure, by their name; of a list each
     */
    public record Block(String name, List<String> strategy, List<String> sites, List<String> epochs, List<String> matching,
                        List<String> calibration, List<String> contrast, List<Integer> repair, List<String> forget,
                        List<Long> seeds, List<String> heads, Map<String, Object> erase) { }

    /**
     * @param share of the forgotten records that is shown
     * @param steps of fine-tuning on them
     * @param rate  learning rate as a share of the training's peak
     */
    public record Relearn(double share, int steps, double rate) { }

    /**
     * @param metrics       groups of metrics, see {@link Metrics}
     * @param retainSample  retain records whose answers and (of those with wrong answers) truth ratios are measured; losses
     *                      are of all
     * @param answerTokens  the most tokens a greedy answer has
     * @param tofuSample    records of each of real authors and world facts
     * @param minK          the share of tokens that Min-K% and Min-K%++ look at
     */
    public record Measure(Set<String> metrics, int retainSample, int answerTokens, int tofuSample, double minK) {
        /** Records and tokens as OpenUnlearning's TOFU has them: 400 retain records, 100 real authors, 117 world facts. */
        public static Measure of(Set<String> metrics) {
            return new Measure(metrics, 400, Continuations.ANSWER_TOKENS, 117, MembershipScores.K);
        }
    }

    /**
     * @param requests  subjects or ids of single records, erased one after the other
     * @param strategy  a label
     * @param erase     options of each erasure
     * @param fineTune  steps of further training after the last, before the first request is erased once more; 0 = none
     * @param seeds     a part of the study's
     */
    public record Sequential(List<String> requests, String strategy, Map<String, Object> erase, int fineTune,
                             List<Long> seeds) {
        /** Of the models it is done with. */
        public static final String HEAD = "tied";
    }

    /** Groups of metrics a spec may ask for; losses, perplexities, costs and the curve are always there. */
    public enum Metrics {
        /** ROUGE-L recall of greedy answers to forget and sampled retain records, exact memorisation, extraction strength. */
        ROUGE,
        /** Membership inference of forget records against held-out ones, as AUC, and privleak against the retrained model. */
        MIA,
        /** TOFU's truth ratio, probability, model utility, forget quality; needs {@code data.tofu}. */
        TOFU,
        /** The relearning probe. */
        RELEARN,
        /** Distance of the parameters to the retrained model's. */
        DISTANCE,
        /** Influence of the forget records on their own loss, before and after. */
        INFLUENCE,
        /** The same at every ascent step, for the curve; a gradient of the forget set a step, and so only when named. */
        INFLUENCE_CURVE,
        /** KLoM and U-LiRA against retrained models. */
        ORACLES;

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** Those of a spec that names none. */
        static List<String> usual() {
            return Arrays.stream(values()).filter(metrics -> metrics != INFLUENCE_CURVE).map(Metrics::label).toList();
        }
    }

    /**
     * Where a spec's relative paths are looked for: in the data folder given on the command line, then beside the spec.
     *
     * @param dataDir null when none was given
     * @param beside  folder of the spec
     */
    public record DataFiles(Path dataDir, Path beside) {
        public static DataFiles of(Path spec, Path dataDir) {
            return new DataFiles(dataDir, spec.toAbsolutePath().getParent());
        }

        /** Null when it is in neither place. */
        Path find(String path) {
            if (dataDir != null && Files.exists(dataDir.resolve(path))) {
                return dataDir.resolve(path);
            }
            return Files.exists(beside.resolve(path)) ? beside.resolve(path) : null;
        }

        public Path require(String path) {
            Path found = find(path);
            if (found == null) {
                throw new BadInputException(missing(path));
            }
            return found;
        }

        String missing(String path) {
            return "there is no " + path + (dataDir == null ? "" : " in " + dataDir + " and none") + " in " + beside
                    + (dataDir == null ? "; name the folder of the data" : "");
        }
    }
}
