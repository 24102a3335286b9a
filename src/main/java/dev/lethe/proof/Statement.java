/*
 * The certificate's statement: in-toto Statement v1 whose predicate tells one erasure. docs/certificate.schema.json says the
 * same as a JSON Schema. Ids, and the paths of what is left elsewhere, are HMACs under journal/id.key; no name, no text.
 */
package dev.lethe.proof;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/** @param subject the model folders before and after, by {@link ModelManifest#digest} */
record Statement(@JsonProperty("_type") String type, List<Subject> subject, String predicateType, Predicate predicate) {
    static final String TYPE = "https://in-toto.io/Statement/v1";
    static final String PREDICATE = "https://lethe.dev/attestation/erasure/v1";

    Statement {
        subject = List.copyOf(subject);
        if (!TYPE.equals(type) || !PREDICATE.equals(predicateType)) {
            throw new IllegalArgumentException("it is a " + type + " of a " + predicateType + ", not of a " + PREDICATE);
        }
        Objects.requireNonNull(predicate, "predicate");
        if (!subject.equals(subjects(predicate))) {
            throw new IllegalArgumentException("its subjects are not the models that it lists");
        }
    }

    static Statement of(Predicate predicate) {
        return new Statement(TYPE, subjects(predicate), PREDICATE, predicate);
    }

    private static List<Subject> subjects(Predicate predicate) {
        return List.of(Subject.of("before", predicate.models.before), Subject.of("after", predicate.models.after));
    }

    record Subject(String name, Map<String, String> digest) {
        static Subject of(String name, ModelManifest manifest) {
            return new Subject(name, Map.of("sha256", manifest.digest()));
        }
    }

    /**
     * @param files     SHA-256 of files in the run, by their path there
     * @param touched   runs in which something was destroyed
     * @param remains   where the erased are or may be still, and which no erasure cleans
     * @param proof     the attacks that were tried, null while there are none
     * @param notProven sentences
     * @param log       the audit log's verifier key, C2SP's vkey
     */
    record Predicate(Request request, Records records, List<Match> matches, Method method, Software software, Models models,
                     Map<String, String> files, List<Touched> touched, List<Remains> remains, Outcome outcome, Proof proof,
                     List<String> notProven, String log) {
        Predicate {
            Objects.requireNonNull(request, "request");
            Objects.requireNonNull(records, "records");
            Objects.requireNonNull(method, "method");
            Objects.requireNonNull(models, "models");
            Objects.requireNonNull(outcome, "outcome");
            Objects.requireNonNull(log, "log");
            matches = List.copyOf(matches);
            touched = List.copyOf(touched);
            remains = List.copyOf(remains);
            notProven = List.copyOf(notProven);
            Set<String> named = proof == null ? Set.of(Certificate.ACCOUNT, Certificate.STEPS)
                    : Set.of(Certificate.ACCOUNT, Certificate.STEPS, Certificate.ATTACKS, Certificate.PAGE);
            if (!named.equals(files.keySet())) {
                throw new IllegalArgumentException("it names files " + files.keySet());
            }
        }
    }

    /**
     * Times are the caller's clock, ISO 8601, UTC.
     *
     * @param id        as whoever asked or answers knows it
     * @param erasure   id of the erasure
     * @param requested when it was asked for, null where nobody said
     * @param certified when this was signed
     */
    record Request(String id, String erasure, String requested, String certified) {
        Request {
            Objects.requireNonNull(id, "id");
            Objects.requireNonNull(erasure, "erasure");
            Objects.requireNonNull(certified, "certified");
        }
    }

    /**
     * @param scheme    how an id became what stands here
     * @param keySha256 of journal/id.key: the key cannot be exchanged later for one that names others
     */
    record Records(String scheme, String keySha256, List<String> erased, List<Copy> copies) {
        Records {
            Objects.requireNonNull(scheme, "scheme");
            Objects.requireNonNull(keySha256, "keySha256");
            erased = List.copyOf(erased);
            copies = List.copyOf(copies);
        }
    }

    record Copy(String record, String of, double likeness, boolean heldOut, boolean taken) { }

    record Match(String record, double score, String reason) { }

    record Method(String strategy, long seed, JsonNode settings) { }

    record Software(String lethe, String java, String torch, String isa, String device) { }

    /** @param base SHA-256 of the weights that an adapter is on, null without */
    record Models(ModelManifest before, ModelManifest after, String base) {
        Models {
            Objects.requireNonNull(before, "before");
            Objects.requireNonNull(after, "after");
        }
    }

    /**
     * In short what proof/proof.json says.
     *
     * @param outcome  FOUND, NOT_FOUND or UNDECIDED
     * @param erased   records asked for
     * @param controls records never seen
     */
    record Proof(String outcome, int erased, int controls, List<Attack> attacks, List<String> notes) {
        Proof {
            Objects.requireNonNull(outcome, "outcome");
            attacks = List.copyOf(attacks);
            notes = List.copyOf(notes);
        }
    }

    /** @param outcome as the proof's, or TOLD */
    record Attack(String attack, String outcome, String sentence) { }

    /**
     * @param run           its identity, a hash
     * @param keysDestroyed keys that such entries lay under, null of a ledger in the clear
     */
    record Touched(String run, int entriesDestroyed, Integer keysDestroyed, boolean done) { }

    /** @param place HMAC of its path */
    record Remains(String place, String kind, Long records, int files, long bytes, String reach, String found) { }

    /** Mean losses in nats a token; null where there is none. */
    record Losses(Double forget, Double retain, Double heldOut, Double keep) { }

    record Relearning(Double before, Double after, Double neverSeen) { }

    /** As the account has it; {@code broken} are sentences about guards that were ignored. */
    record Outcome(Double reference, Losses before, Losses after, Relearning relearning, boolean reached, Double influenceLeft,
                   int ascents, int repairs, long trainSteps, int entriesDestroyed, List<String> broken) { }
}
