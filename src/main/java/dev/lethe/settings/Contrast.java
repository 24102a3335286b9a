package dev.lethe.settings;

/**
 * What is taken out of the forget direction so that it does not hurt what must stay: nothing, the mean retain gradient,
 * or the span of the retain records' gradients' {@code rank} leading principal directions.
 *
 * @param kind what is projected out
 * @param rank number of directions for {@link Kind#SPAN}, 1 for {@link Kind#MEAN}, 0 for {@link Kind#NONE}
 */
public record Contrast(Kind kind, int rank) {
    /** The three contrasts. */
    public enum Kind {
        /** Nothing is taken out. */
        NONE,
        /** The mean of the retain gradients is. */
        MEAN,
        /** The leading eigenvectors of their Gram matrix are. */
        SPAN
    }

    /** No contrast: the paper's plain ascent. */
    public static final Contrast NONE = new Contrast(Kind.NONE, 0);

    /** Checks that the rank fits the kind. */
    public Contrast {
        boolean fits = switch (kind) {
            case NONE -> rank == 0;
            case MEAN -> rank == 1;
            case SPAN -> rank >= 1;
        };
        if (!fits) {
            throw new IllegalArgumentException("contrast " + kind + " with rank " + rank + "; span needs a rank of at least 1");
        }
    }

    /**
     * The span of the retain gradients' {@code rank} leading directions.
     *
     * @param rank eigenvectors kept out
     * @return the contrast
     */
    public static Contrast span(int rank) {
        return new Contrast(Kind.SPAN, rank);
    }

    /**
     * Parses {@code none}, {@code mean} or {@code span:R}.
     *
     * @param text as it is written
     * @return the contrast
     * @throws IllegalArgumentException for anything else
     */
    public static Contrast parse(String text) {
        if (text.equals("none")) {
            return NONE;
        }
        if (text.equals("mean")) {
            return new Contrast(Kind.MEAN, 1);
        }
        if (text.matches("span:[1-9][0-9]{0,5}")) {
            return span(Integer.parseInt(text.substring(5)));
        }
        throw new IllegalArgumentException("unknown contrast '" + text + "'; write none, mean or span:R, for example span:50");
    }

    @Override
    public String toString() {
        return switch (kind) {
            case NONE -> "none";
            case MEAN -> "mean";
            case SPAN -> "span:" + rank;
        };
    }
}
