package dev.lethe.data;

import dev.lethe.BadInputException;

/**
 * What the records of a file take in memory, about: a small gzip file can hold more of them than Java has room for, and
 * that is better said at a line than found out as an OutOfMemoryError. Counts low, so that what fits is never refused.
 */
final class MemoryBudget {
    private static final long RECORD_BYTES = 250; // measured: a record of 17 characters in a Dataset took 270 to 300

    private static final long OWN_BYTES = 2 << 20; // less than a command has taken before it reads

    private final long most = Runtime.getRuntime().maxMemory();
    private final long limit = most - OWN_BYTES;
    private long taken;

    /** @throws BadInputException when there is no room for this one */
    void add(Record record, String place) {
        taken += RECORD_BYTES + length(record.id()) + length(record.subject()) + length(record.prompt())
                + length(record.completion()) + (record.conversation() == null ? 0 : length(record.text()));
        if (taken > limit) {
            throw new BadInputException(place + ": the records up to here need more than the " + (most >> 20)
                    + " MiB that Java may take; give it more with LETHE_JAVA_OPTS=-Xmx8g, or use a part of the file");
        }
    }

    private static long length(String text) {
        return text == null ? 0 : text.length();
    }
}
