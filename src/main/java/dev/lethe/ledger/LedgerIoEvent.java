package dev.lethe.ledger;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** Flight-recorder event of one piece of ledger input or output: open, commit, sync, check, destroy, copy. */
@Name("dev.lethe.LedgerIO")
@Label("Ledger I/O")
@Category({"Lethe", "Ledger"})
@StackTrace(false)
final class LedgerIoEvent extends Event {
    @Label("Operation")
    String operation;

    @Label("Entries")
    long entries;

    @Label("Bytes")
    @DataAmount
    long bytes;

    static LedgerIoEvent start(String operation) {
        LedgerIoEvent event = new LedgerIoEvent();
        event.operation = operation;
        event.begin();
        return event;
    }

    void finish(long entries, long bytes) {
        this.entries = entries;
        this.bytes = bytes;
        commit();
    }
}
