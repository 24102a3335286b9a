package dev.lethe.data;

/** What to do with a record that has more tokens than the model's context. */
public enum OnLong {
    /** Keep its beginning and count it. */
    TRUNCATE,
    /** Refuse the data, listing every such record. */
    ERROR
}
