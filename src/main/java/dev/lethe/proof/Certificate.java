/*
 * Makes the statement of an erased run from what lies in it: the same run, request and time give the same bytes. What is not
 * proven is said here, in one place.
 */
package dev.lethe.proof;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Sha256;
import dev.lethe.proof.Statement.Predicate;
import dev.lethe.results.Erasure;
import dev.lethe.results.Losses;
import dev.lethe.results.Trace;
import dev.lethe.run.IdKey;
import dev.lethe.run.RunFolder;
import dev.lethe.run.RunInfo;
import dev.lethe.run.RunJson;
import dev.lethe.settings.Copy;
import dev.lethe.settings.EraseConfig;
import dev.lethe.settings.Reference;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Stateless, any thread. */
final class Certificate {
    static final String FILE = "certificate.dsse.json";
    static final String KEY = "certificate.pem";
    static final String PROOF = "certificate.tlog-proof";
    /** What the certificate names by hash besides the model. */
    static final String ACCOUNT = "journal/" + RunFolder.ACCOUNT;
    static final String STEPS = "journal/steps.jsonl";
    static final String ID_KEY = "journal/id.key";
    /** What attacks on the model showed, as `lethe prove` writes it, and the page of it. */
    static final String ATTACKS = "proof/proof.json";
    static final String PAGE = "proof/proof.html";
    private static final String SCHEME = "HMAC-SHA256, the first 128 bits";

    private Certificate() { }

    /** An erased run as it is to be certified. Hashing its models takes as long as reading them. */
    record Draft(RunFolder run, Erasure account, IdKey key, ModelManifest before, ModelManifest after, Map<String, String> files,
                 String keySha256, Statement.Proof proof) { }

    /**
     * Reads a run that an erasure made; what a killed writer left in its model goes. The caller holds the run.
     *
     * @throws BadInputException when none made it, its key was deleted, the run that it was made from is gone, or the proof in it is
     *                           of another
     */
    static Draft draft(RunFolder run) {
        RunInfo.Lineage lineage = run.info().lineage();
        if (lineage == null || !Files.isRegularFile(run.root().resolve(ACCOUNT))) {
            throw new BadInputException(run + ": is not a run that an erasure made; there is nothing to certify");
        }
        RunFolder source = RunFolder.openAny(Path.of(lineage.parent()));
        return Io.input(run + ": cannot be read", () -> {
            PrivateFiles.deleteLeftovers(run.model());
            IdKey key = IdKey.read(run.journal());
            if (key == null) {
                throw new BadInputException(IdKey.file(run.journal()) + ": was deleted, and what stands elsewhere cannot"
                        + " be named without it; put it back to have a certificate");
            }
            Map<String, String> files = new TreeMap<>();
            for (String name : List.of(ACCOUNT, STEPS)) {
                files.put(name, Sha256.hex(Sha256.of(run.root().resolve(name))));
            }
            Statement.Proof proof = proof(run);
            if (proof == null && Files.exists(run.root().resolve(ATTACKS))) {
                throw new BadInputException(run.root().resolve(ATTACKS)
                        + ": is a proof of another run's model; prove this one, or take it away");
            }
            for (String name : proof == null ? List.<String>of() : List.of(ATTACKS, PAGE)) {
                files.put(name, Sha256.hex(Sha256.of(run.root().resolve(name))));
            }
            return new Draft(run, run.account(), key,
                    ModelManifest.of(source.model()), ModelManifest.of(run.model()), files,
                    Sha256.hex(Sha256.of(IdKey.file(run.journal()))), proof);
        });
    }

    /** In short; null where there is none, or only another run's, of which a page says nothing and a certificate must not. */
    static Statement.Proof proof(RunFolder run) throws IOException {
        Path file = run.root().resolve(ATTACKS);
        JsonNode told = Files.exists(file) ? RunJson.tree(Files.readString(file), file.toString()) : null;
        return told == null || !told.path("run").asString("").equals(run.identity()) ? null
                : new Statement.Proof(told.path("outcome").asString(), told.path("erased").asInt(), told.path("controls").asInt(),
                told.path("findings").valueStream().map(one -> new Statement.Attack(one.path("attack").asString(),
                        one.path("outcome").asString(), one.path("sentence").asString())).toList(),
                told.path("notes").valueStream().map(JsonNode::asString).toList());
    }

    static Statement statement(Draft draft, Statement.Request request, NoteKey log) {
        Erasure account = draft.account;
        EraseConfig config = account.config();
        Erasure.Software by = account.software();
        RunInfo.Base base = draft.run.info().source().base();
        return Statement.of(new Predicate(request,
                new Statement.Records(SCHEME, draft.keySha256, account.records(),
                        account.copies().stream().map(Certificate::copy).toList()),
                account.matches().stream().map(one -> new Statement.Match(one.recordId(), one.score(), one.reason())).toList(),
                new Statement.Method(config.strategy().label(), config.seed(), settings(config, draft.key)),
                by == null ? null : new Statement.Software(by.lethe(), by.java(), by.torch(), by.isa(), by.device()),
                new Statement.Models(draft.before, draft.after, base == null ? null : base.sha256()), draft.files,
                account.places().stream().map(one -> new Statement.Touched(one.identity(), one.entries(), one.keys(),
                        one.done())).toList(),
                account.left().stream().map(place -> remains(place, draft.key)).toList(),
                outcome(account), draft.proof, notProven(account, draft.proof), log.text()));
    }

    /** Its ids are under the key already, as all of the account. */
    private static Statement.Copy copy(Copy copy) {
        return new Statement.Copy(copy.recordId(), copy.of(), copy.likeness(), copy.heldOut(), copy.taken());
    }

    private static Statement.Remains remains(Trace place, IdKey key) {
        return new Statement.Remains(key.of(place.path()), place.kind(), place.records(), place.files(), place.bytes(),
                place.reach().name(), place.found() == null ? null : place.found().name());
    }

    /** All of them; a folder's or file's name, which may be a person's, goes under the key. */
    private static JsonNode settings(EraseConfig config, IdKey key) {
        ObjectNode settings = (ObjectNode) ProofJson.tree(config);
        if (config.reference() instanceof Reference.Retrained retrained) {
            ((ObjectNode) settings.get("reference")).put("run", key.of(retrained.run().toString()));
        }
        if (config.keep() != null) {
            ((ObjectNode) settings.get("keep")).put("data", key.of(config.keep().data().toString()));
        }
        if (config.factors() != null) {
            settings.put("factors", key.of(config.factors().toString()));
        }
        if (config.alternates() != null) {
            settings.put("alternates", key.of(config.alternates().toString()));
        }
        return settings;
    }

    private static Statement.Outcome outcome(Erasure account) {
        Erasure.Relearning probe = account.relearning();
        Statement.Relearning relearning = new Statement.Relearning(number(probe.before()), number(probe.after()),
                number(probe.heldOut()));
        return new Statement.Outcome(number(account.target()), losses(account.before()), losses(account.after()), relearning,
                account.reached(), number(account.influenceLeft()), account.ascents(), account.repairs(), account.trainSteps(),
                account.entriesDestroyed(), account.broken());
    }

    private static Statement.Losses losses(Losses losses) {
        return new Statement.Losses(number(losses.forget()), number(losses.retain()), number(losses.heldOut()), number(losses.keep()));
    }

    private static Double number(double value) {
        return Double.isFinite(value) ? value : null;
    }

    private static String forgetting(Statement.Proof proof) {
        if (proof == null) {
            return "That the new model keeps nothing of the records: no membership inference, extraction, rewording, sampling or"
                    + " relearning by an attacker was tried beyond the losses and the one relearning probe under outcome.";
        }
        return proof.outcome().equals("FOUND")
                ? "That the new model keeps nothing of the records: attacks found some of them, see proof."
                : "That the new model keeps nothing of the records: the attacks under proof found nothing, where they have a verdict;"
                        + " others may.";
    }

    static List<String> notProven(Erasure account, Statement.Proof proof) {
        List<String> open = new ArrayList<>(List.of(
                forgetting(proof),
                "That it equals a model trained without the records: only losses were compared.",
                "That no other record says the same in other words: copies were looked for by their words.",
                "That no copy is left where Lethe does not look: backups, snapshots, copies of runs, exported files, logs"
                        + " of services that used the model.",
                "That the storage kept no old blocks: files were overwritten in place, which copy-on-write file systems"
                        + " and flash need not do.",
                "That the numbers are true: they were measured by the software named here on the signer's machine, and"
                        + " the signature says who vouches for them.",
                "That the times are true: they are the signer's clock, and no third party has stamped them."));
        if (!account.left().isEmpty()) {
            open.add("That the " + account.left().size() + " places under remains are clean: no erasure cleans them.");
        }
        if (account.places().stream().anyMatch(place -> place.keys() != null)) {
            open.add("That nobody kept a copy of the key-encryption key that the keys of the records' stored gradients were under:"
                    + " with it, an older file of keys and an older ledger they can be read.");
        }
        if (account.records().isEmpty()) {
            open.add("That any learned record was erased: the request came in its own words, no record was looked for and"
                    + " none left the run.");
        }
        if (account.config().keepEntries()) {
            open.add("That stored gradients of the records are destroyed: the erasure was told to keep those of the run"
                    + " it began with.");
        }
        if (!account.broken().isEmpty()) {
            open.add("That the erasure is good: guards refused it and were ignored, see outcome.broken.");
        }
        if (account.config().reference() instanceof Reference.Loss) {
            open.add("That the reference is what a model without the records has: a person set it.");
        }
        return open;
    }
}
