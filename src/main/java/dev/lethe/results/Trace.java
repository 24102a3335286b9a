package dev.lethe.results;

import org.jspecify.annotations.Nullable;

/**
 * A file, or the files of one kind in a folder.
 *
 * @param path    absolute
 * @param kind    as in records, ledger, model, unknown
 * @param holds   what it could tell of a record
 * @param records in it, or live entries; null where that is not known
 * @param found   null when nothing was looked for
 */
public record Trace(String path, String kind, String holds, @Nullable Long records, int files, long bytes, Reach reach,
                    @Nullable Found found) {
    /** Who can clean a place: an erasure; nobody, so the run must go; nobody, it is the account; or whoever put it there. */
    public enum Reach { ERASE, RUN, ACCOUNT, YOURS }

    /** Whether what is looked for is there; numbers such as weights do not say. */
    public enum Found { YES, NO, CANNOT_TELL }
}
