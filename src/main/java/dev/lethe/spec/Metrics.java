package dev.lethe.spec;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

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
