package dev.lethe.spec;

import java.util.List;
import java.util.Map;

/**
 * What was measured of one cell: a line of {@code results.jsonl}. Losses are in nats a token.
 *
 * @param id            SHA-256 prefix of cell and training settings: equal work has equal ids
 * @param cell          what was measured
 * @param variant       short name for tables and legends, the same for every seed
 * @param metrics       numbers by name, dots between group and measure: {@code forget.loss}, {@code retain.loss},
 *                      {@code heldout.loss}, {@code forget.perplexity}, {@code forget.rougeL}, {@code forget.truth_ratio},
 *                      {@code forget_quality}, {@code model_utility}, {@code mia.loss}, {@code mia.min_k},
 *                      {@code privleak}, {@code klom}, {@code relearn.loss}, {@code relearn.share} (of the retrained
 *                      model's), {@code distance.retrained}, {@code cost.steps}, {@code cost.share} (of retraining),
 *                      {@code cost.seconds}, {@code cost.ledger_bytes}, …; a number that could not be measured is absent
 * @param curve         the losses as they moved, in order; empty for cells that do not move
 * @param distributions one value a record by name: {@code influence.before}, {@code influence.after},
 *                      {@code influence.before/SITE}, {@code truth_ratio.forget}, …
 * @param reached       whether the erasure came to its reference within its guards; true for cells without either
 * @param note          why not, or what else a reader must know; empty when nothing
 */
public record CellResult(String id, Cell cell, String variant, Map<String, Double> metrics, List<CurvePoint> curve,
                         Map<String, double[]> distributions, boolean reached, String note) {
    /**
     * The losses after one move.
     *
     * @param step      moves before it
     * @param action    {@code ascent}, {@code repair}, {@code start}
     * @param forget    of the forget set; NaN where it was not measured
     * @param retain    of a sample of the retain set; NaN where it was not measured
     * @param heldOut   of records never seen; NaN where it was not measured
     * @param influence mean |influence| of the forget records on their own loss; NaN where it was not measured
     */
    public record CurvePoint(int step, String action, double forget, double retain, double heldOut, double influence) { }
}
