package dev.lethe.results;

import org.jspecify.annotations.Nullable;

/**
 * A file, or the files of one kind in a folder.
 *
 * @param path absolute
 * @param kind as in records, ledger, model, unknown
 * @param holds what it could tell of a record
 * @param records in it, or live entries; null where that is not known
 * @param found null when nothing was looked for
 * @param files that were counted
 * @param bytes of them
 * @param reach who can clean it
 */
public record Trace(String path, String kind, String holds, @Nullable Long records, int files, long bytes, Reach reach,
                    @Nullable Found found) {
    /** Who can clean a place: an erasure; nobody, so the run must go; nobody, it is the account; or whoever put it there. */
    public enum Reach {
        /** An erasure. */
        ERASE,
        /** Nobody, so the run must go. */
        RUN,
        /** Nobody: it is the account. */
        ACCOUNT,
        /** Whoever put it there. */
        YOURS
    }

    /** Whether what is looked for is there; numbers such as weights do not say. */
    public enum Found {
        /** It is there. */
        YES,
        /** It is not. */
        NO,
        /** Numbers do not say. */
        CANNOT_TELL
    }
}
