/*
 * Whether a run's parts are those that its lethe.json names, by the hashes it holds: weights, config and tokenizer files,
 * records, and whose training the ledger is of. Damage within the ledger is the ledger's to find; logs, journal, factors
 * and reports have no hash here.
 */
package dev.lethe.train;

import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.run.RunData;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunRecord;
import dev.lethe.shape.Dtype;
import java.util.ArrayList;
import java.util.List;

/** Problems of complete runs, a sentence each, empty when there are none. Stateless. */
public final class RunCheck {
    private RunCheck() { }

    /** @param model as loaded from the run's model folder, in F32 */
    public static List<String> model(RunFolder run, LanguageModel model) {
        RunInfo info = run.info();
        List<String> problems = new ArrayList<>();
        if (!model.shape().equals(info.source().shape())) {
            problems.add(run.model() + ": is a model of " + model.shape() + ", lethe.json names one of " + info.source().shape());
        }
        if (info.config().dtype() == Dtype.F32) { // a model trained in another type was rounded when it was saved
            compare(run.model() + ": its weights are", info.result().modelHash(), Trainer.modelHash(model), problems);
        }
        if (info.result().settingsHash() != null) {
            compare(run.model() + ": config.json and the tokenizer's files are", info.result().settingsHash(),
                    Checkpoint.settingsHash(run.model()), problems);
        }
        return problems;
    }

    /** Whether ids, hashes of texts and splits in records.jsonl are those the run was made with. */
    public static List<String> records(RunFolder run) {
        RunInfo.Data data = run.info().data();
        List<RunRecord> records = run.records();
        List<String> problems = new ArrayList<>();
        if (records.size() != data.records() + data.holdout()) {
            problems.add(run.root() + ": records.jsonl has " + records.size() + " records, lethe.json says "
                    + (data.records() + data.holdout()));
        }
        boolean keptTheSources = run.info().lineage() != null && run.info().result().settingsHash() == null;
        if (!keptTheSources) { // an erasure by an earlier version left the hash of the run it began with
            compare(run.root() + ": the records in records.jsonl are", data.sha256(), RunData.hash(records), problems);
        }
        return problems;
    }

    /** Whether the ledger is there and of this run's training. */
    public static List<String> ledger(RunFolder run) {
        RunInfo info = run.info();
        List<String> problems = new ArrayList<>();
        if (!run.hasLedger()) {
            if (info.result().ledger() != null && info.lineage() == null) {
                problems.add(run.ledger() + ": is missing, lethe.json says that " + info.result().ledger().entries()
                        + " entries were captured");
            }
            return problems;
        }
        try (GradientLedger ledger = GradientLedger.open(run.ledger())) {
            compare(run.ledger() + ": the weights that its training began with are", info.source().modelHash(),
                    ledger.manifest().modelHash(), problems);
            int entries = ledger.entries().size();
            if (info.lineage() == null && info.result().ledger() != null && info.result().ledger().entries() != entries) {
                problems.add(run.ledger() + ": has " + entries + " entries, lethe.json says "
                        + info.result().ledger().entries());
            }
        }
        return problems;
    }

    private static void compare(String what, String named, String found, List<String> problems) {
        if (!found.equals(named)) {
            problems.add(what + " not those that lethe.json names (SHA-256 " + named + ", here " + found + "): they were"
                    + " changed, or are another run's");
        }
    }
}
