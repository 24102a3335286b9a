package dev.lethe.proof;

import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Sha256;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Objects;

/**
 * A leaf of the audit log: which certificate was given for which request, and when. As the log only grows and may be handed to
 * anyone, it holds nothing else; the certificate itself can be deleted.
 *
 * @param type        {@link Statement#PREDICATE}
 * @param request     the request's id
 * @param certified   when, ISO 8601, UTC
 * @param certificate SHA-256 of the certificate's file
 */
record LogEntry(String type, String request, String certified, String certificate) {
    LogEntry {
        Objects.requireNonNull(type, "type");
        Objects.requireNonNull(request, "request");
        Objects.requireNonNull(certified, "certified");
        Objects.requireNonNull(certificate, "certificate");
    }

    static LogEntry of(Statement statement, byte[] file) {
        Statement.Request request = statement.predicate().request();
        return new LogEntry(Statement.PREDICATE, request.id(), request.certified(), Sha256.hex(Sha256.of(file)));
    }

    /** {@code certified}. @throws DamagedDataException when that is no time */
    Instant at(String place) {
        return time(certified, place);
    }

    static Instant time(String text, String place) {
        try {
            return Instant.parse(text);
        } catch (DateTimeParseException e) {
            throw new DamagedDataException(place + ": \"" + text + "\" is no time as Lethe writes it", e);
        }
    }

    byte[] bytes() {
        return ProofJson.bytes(this);
    }
}
