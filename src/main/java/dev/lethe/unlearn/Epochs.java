package dev.lethe.unlearn;

/**
 * Whose captured gradients make a stored direction: those of one epoch, or of all of them summed.
 *
 * @param epoch the epoch, counted from 0; -1 for all
 */
public record Epochs(int epoch) {
    /** The first: the weights had not seen the record before. */
    public static final Epochs FIRST = new Epochs(0);
    /** Every captured epoch. */
    public static final Epochs ALL = new Epochs(-1);

    /** @throws IllegalArgumentException below -1 */
    public Epochs {
        if (epoch < -1) {
            throw new IllegalArgumentException("epoch is " + epoch + ", must be 0 or more, or -1 for all");
        }
    }

    /** One epoch, counted from 0. */
    public static Epochs of(int epoch) {
        return new Epochs(epoch);
    }

    /** Parses {@code first}, {@code all} or an epoch's number, counted from 0. @throws IllegalArgumentException for else */
    public static Epochs parse(String text) {
        return switch (text) {
            case "first" -> FIRST;
            case "all" -> ALL;
            default -> {
                if (!text.matches("[0-9]{1,6}")) {
                    throw new IllegalArgumentException("unknown epochs '" + text
                            + "'; write first, all, or the number of one epoch, counted from 0");
                }
                yield of(Integer.parseInt(text));
            }
        };
    }

    boolean takes(int other) {
        return epoch < 0 || epoch == other;
    }

    @Override
    public String toString() {
        return epoch < 0 ? "all" : epoch == 0 ? "first" : Integer.toString(epoch);
    }
}
