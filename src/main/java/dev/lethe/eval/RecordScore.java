package dev.lethe.eval;

/**
 * What a model makes of one record. Everything is over the record's target tokens; a record that has none has loss 0
 * and NaN in the rest.
 *
 * @param id the record's id
 * @param loss mean of -log p over its targets, in nats
 * @param tokens number of targets
 * @param exactMemorisation see {@link Memorisation#exact}
 * @param extractionStrength see {@link Memorisation#extractionStrength}
 * @param minK see {@link MembershipInference.Attack#MIN_K}
 * @param minKPlusPlus see {@link MembershipInference.Attack#MIN_K_PLUS_PLUS}
 * @param zlibBytes compressed size of its text, 0 when the text was not given
 */
public record RecordScore(String id, double loss, int tokens, double exactMemorisation, double extractionStrength,
                          double minK, double minKPlusPlus, int zlibBytes) {
    /** Loss over compressed size; NaN without a text or without targets. */
    public double zlibRatio() {
        return zlibBytes == 0 || tokens == 0 ? Double.NaN : loss / zlibBytes;
    }
}
