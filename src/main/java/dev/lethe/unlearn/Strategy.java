package dev.lethe.unlearn;

/** Where the gradients come from along which the weights ascend (Zagardo 2024, section 3). */
public enum Strategy {
    /** The gradients captured when each record was first seen. */
    FIRST_EPOCH("first-epoch"),
    /** The sum of the gradients captured in every epoch; needs a run trained with {@code --capture all}. */
    MULTI_EPOCH("multi-epoch"),
    /** The gradients at the weights of now, computed anew at each step; needs no ledger. */
    FRESH("fresh");

    private final String label;

    Strategy(String label) {
        this.label = label;
    }

    /** The name on the command line and in JSON. */
    public String label() {
        return label;
    }

    /** The strategy of that name. @throws IllegalArgumentException naming the known ones */
    public static Strategy parse(String text) {
        for (Strategy strategy : values()) {
            if (strategy.label.equals(text)) {
                return strategy;
            }
        }
        throw new IllegalArgumentException(
                "unknown strategy '" + text + "'; known are first-epoch, multi-epoch and fresh");
    }
}
