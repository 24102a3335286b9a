/*
 * Every kind of file that a run, a study or a demo can hold, told by its place, and what it could tell of a record. A new kind
 * of file gets its line here; until then the census calls it unknown.
 */
package dev.lethe.erase;

import dev.lethe.results.Trace;
import java.util.regex.Pattern;

/** A path, relative to any folder above it and with '/' between its names, is of the first kind that matches. */
enum FileKind {
    LEFTOVER("[^/]+\\.part-\\d+(/.+)?",
            "left by a kill, of any content", Trace.Reach.YOURS, Look.OPAQUE),
    RECORDS("records\\.jsonl", "ids, hashes of texts", Trace.Reach.ERASE, Look.BYTES),
    LEDGER("ledger/([^/]+/)?(segment-\\p{Nd}+\\.ledger|index)", "gradients, token ids, hashed ids", Trace.Reach.ERASE, Look.ENTRIES),
    FACTORS("factors/.+", "sums of gradients, which show the tokens used", Trace.Reach.ERASE, Look.OPAQUE),
    REPORT("report/.+", "numbers of groups, texts of samples", Trace.Reach.ERASE, Look.BYTES),
    PENDING("journal/pending\\.json", "ids of erased records, until lethe finish", Trace.Reach.ERASE, Look.BYTES),
    ACCOUNT("journal/(erasure\\.json|id\\.key)", "ids of the erased records under a key, and the key", Trace.Reach.ACCOUNT,
            Look.KEYED),
    CERTIFICATE("certificate\\.(dsse\\.json|tlog-proof|pem)", "ids of the erased records under a key", Trace.Reach.ACCOUNT,
            Look.OPAQUE),
    PROOF("proof/(proof\\.(json|html)|parts/[^/]+\\.json)", "numbers of attacks for the erased records, no ids, no text",
            Trace.Reach.ACCOUNT, Look.BYTES),
    AUDIT("audit/(checkpoint|vkey|tile/.+)", "request ids, hashes of certificates", Trace.Reach.ACCOUNT, Look.BYTES),
    SHARD_OF_FACTORS("shard-\\d+-of-\\d+\\.factors", "sums of gradients of the records that were drawn, which show the tokens used",
            Trace.Reach.YOURS, Look.OPAQUE),
    MODEL("model/([^/]+\\.safetensors|(config|adapter_config|generation_config|model\\.safetensors\\.index)\\.json)",
            "weights that learned the records", Trace.Reach.RUN, Look.OPAQUE),
    KEPT("replay/checkpoint-\\d+/.+", "weights and moments to replay from", Trace.Reach.ERASE, Look.OPAQUE),
    CHECKPOINT("checkpoint-\\d+/.+", "weights and moments of a training", Trace.Reach.RUN, Look.OPAQUE),
    VOCABULARY("(tokenizer|vocab|tokenizer_config|special_tokens_map|added_tokens)\\.json|merges\\.txt|chat_template\\.jinja",
            "a vocabulary, with words of the records if it was made of them", Trace.Reach.RUN, Look.BYTES),
    STUDY("(cells|oracles)/[^/]+\\.json|order\\.json|results\\.(jsonl|csv)|summary\\.csv|study\\.html|(figures|tables)/[^/]+"
            + "|sequential-[^/]+/progress\\.json", "names of whom it forgets, losses of records", Trace.Reach.YOURS, Look.BYTES),
    /** Never opened: closing any file of a locked one gives the lock of this process up (POSIX). */
    LOCK("(lethe|erasing|keys)\\.lock|ledger/([^/]+/)?writer\\.lock", "who is writing", null, Look.OPAQUE),
    PLAIN("lethe\\.json|model/model\\.sig|keys\\.(p12|password|pem|vkey)|(metrics|timings)\\.jsonl|journal/steps\\.jsonl"
            + "|ledger\\.keys|ledger-[0-9a-f]{16}\\.kek|ledger/([^/]+/)?manifest\\.json|done\\.txt|timings\\.csv",
            "settings, numbers of batches", null, Look.BYTES),
    DATA(null, "the records themselves", Trace.Reach.YOURS, Look.BYTES),
    UNKNOWN(null, "not known to Lethe", Trace.Reach.YOURS, Look.BYTES);

    /**
     * How a record is looked for: in the bytes; among the ledger's keys; by the account's key; not at all, for numbers cannot be
     * searched.
     */
    enum Look { BYTES, ENTRIES, KEYED, OPAQUE }

    final Pattern path;
    final String holds;
    final Trace.Reach reach; // null: nothing of any record
    final Look look;

    FileKind(String path, String holds, Trace.Reach reach, Look look) {
        this.path = path == null ? null : Pattern.compile("(.*/)?(" + path + ")");
        this.holds = holds;
        this.reach = reach;
        this.look = look;
    }

    static FileKind of(String relative) {
        for (FileKind kind : values()) {
            if (kind.path != null && kind.path.matcher(relative).matches()) {
                return kind;
            }
        }
        return UNKNOWN;
    }
}
