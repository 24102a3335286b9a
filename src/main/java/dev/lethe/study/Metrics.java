package dev.lethe.study;

import java.util.Arrays;
import java.util.List;

/** Groups of metrics a spec may ask for; losses, perplexities, costs and the curve are always there. */
enum Metrics {
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
    /** KLoM and U-LiRA against retrained models. */
    ORACLES;

    String label() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    static List<String> labels() {
        return Arrays.stream(values()).map(Metrics::label).toList();
    }
}
