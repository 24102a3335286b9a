package dev.lethe.settings;

import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A record that is equal or nearly equal to a learned one.
 *
 * @param recordId its id
 * @param subject  its subject, or null
 * @param of       the record that it is a copy of: a forgotten one where there is one
 * @param likeness 1 for equal texts, else the share of common words among the words of both
 * @param heldOut  whether it was held out: then it does not show "never seen" and is left out of the reference
 * @param taken    whether it leaves the run along with the record that it is a copy of
 */
public record Copy(String recordId, @Nullable String subject, String of, double likeness, boolean heldOut, boolean taken) {
    /** What becomes of learned records that are copies of a forgotten one without being asked for. */
    public enum Rule {
        /** Nothing is erased: a copy that stays keeps the record known, and one that is taken may be another person's. */
        REFUSE,
        /** They are erased too. */
        TAKE,
        /** They stay, and the account names them. */
        KEEP
    }

    /**
     * {@return it as an account has it}
     *
     * @param key of an id what stands for it
     */
    public Copy under(UnaryOperator<String> key) {
        return new Copy(key.apply(recordId), null, key.apply(of), likeness, heldOut, taken);
    }

    @Override
    public String toString() {
        return recordId + (subject == null ? "" : " (" + subject + ")") + (likeness == 1 ? " equals " : " nearly equals ") + of;
    }
}
