package dev.lethe.settings;

/**
 * Whose captured gradients make a stored direction: those of one epoch, or of all of them summed.
 *
 * @param epoch the epoch, counted from 0; -1 for all, -2 for the last that was captured
 */
public record Epochs(int epoch) {
    /** The first: the weights had not seen the record before. */
    public static final Epochs FIRST = new Epochs(0);
    /** Every captured epoch. */
    public static final Epochs ALL = new Epochs(-1);
    /** The last captured epoch: nearest to the weights of now. */
    public static final Epochs LAST = new Epochs(-2);

    /**
     * Validates.
     *
     * @throws IllegalArgumentException below -2
     */
    public Epochs {
        if (epoch < -2) {
            throw new IllegalArgumentException("epoch is " + epoch + ", must be 0 or more, -1 for all or -2 for the last");
        }
    }

    /**
     * One epoch, counted from 0.
     *
     * @return the epoch
     */
    public static Epochs of(int epoch) {
        return new Epochs(epoch);
    }

    /**
     * Parses {@code first}, {@code last}, {@code all} or an epoch's number, counted from 0.
     *
     * @param text as it is written
     * @return the epochs
     * @throws IllegalArgumentException for else
     */
    public static Epochs parse(String text) {
        return switch (text) {
            case "first" -> FIRST;
            case "last" -> LAST;
            case "all" -> ALL;
            default -> {
                if (!text.matches("[0-9]{1,6}")) {
                    throw new IllegalArgumentException("unknown epochs '" + text
                            + "'; write first, last, all, or the number of one epoch, counted from 0");
                }
                yield of(Integer.parseInt(text));
            }
        };
    }

    /**
     * {@return the same of a ledger whose last captured epoch is this one: {@link #LAST} gets its number}
     *
     * @param last the last captured epoch
     */
    public Epochs knowing(int last) {
        return equals(LAST) ? of(last) : this;
    }

    /**
     * {@return whether an entry of that epoch counts} Call {@link #knowing} first.
     *
     * @param other counted from 0
     */
    public boolean takes(int other) {
        return equals(ALL) || epoch == other;
    }

    @Override
    public String toString() {
        return equals(LAST) ? "last" : equals(ALL) ? "all" : epoch == 0 ? "first" : Integer.toString(epoch);
    }
}
