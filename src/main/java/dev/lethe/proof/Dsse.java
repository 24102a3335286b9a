/*
 * DSSE 1.0.2 envelopes (secure-systems-lab/dsse): a payload with its type under ECDSA P-256 and SHA-256. A signature is the DER
 * of X9.62, as sigstore and in-toto have it. One signature an envelope; more are refused.
 */
package dev.lethe.proof;

import dev.lethe.base.DamagedDataException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.Signature;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Objects;

/** Stateless, any thread. */
final class Dsse {
    static final String IN_TOTO = "application/vnd.in-toto+json";

    private Dsse() { }

    /** The envelope as it stands in a file; payload and sig in base64. */
    record Envelope(String payload, String payloadType, List<Signed> signatures) {
        Envelope {
            Objects.requireNonNull(payload, "payload");
            Objects.requireNonNull(payloadType, "payloadType");
            signatures = List.copyOf(signatures);
        }
    }

    /** {@code keyid} is a hint and nothing rests on it. */
    record Signed(String sig, String keyid) {
        Signed {
            Objects.requireNonNull(sig, "sig");
            Objects.requireNonNull(keyid, "keyid");
        }
    }

    /** What is signed: "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body. */
    static byte[] pae(String type, byte[] body) {
        byte[] name = type.getBytes(StandardCharsets.UTF_8);
        byte[] head = ("DSSEv1 " + name.length + " " + type + " " + body.length + " ").getBytes(StandardCharsets.UTF_8);
        byte[] all = Arrays.copyOf(head, head.length + body.length);
        System.arraycopy(body, 0, all, head.length, body.length);
        return all;
    }

    static Envelope sign(byte[] payload, SigningKeys keys, String keyid) {
        Base64.Encoder base64 = Base64.getEncoder();
        return new Envelope(base64.encodeToString(payload), IN_TOTO,
                List.of(new Signed(base64.encodeToString(keys.sign(pae(IN_TOTO, payload))), keyid)));
    }

    /**
     * The payload, once the key is found to have signed it.
     *
     * @throws DamagedDataException when it has not, naming {@code place}
     */
    static byte[] open(Envelope envelope, PublicKey key, String place) {
        if (envelope.signatures().size() != 1) {
            throw new DamagedDataException(place + ": has " + envelope.signatures().size() + " signatures, not one");
        }
        if (!envelope.payloadType().equals(IN_TOTO)) {
            throw new DamagedDataException(place + ": its payload is " + envelope.payloadType() + ", not " + IN_TOTO);
        }
        byte[] payload = decode(envelope.payload(), place);
        byte[] signature = decode(envelope.signatures().getFirst().sig(), place);
        if (!verifies(pae(IN_TOTO, payload), signature, key)) {
            throw new DamagedDataException(place + ": its signature is not the key's: it was changed, or signed by another");
        }
        return payload;
    }

    static boolean verifies(byte[] message, byte[] signature, PublicKey key) {
        try {
            Signature check = Signature.getInstance("SHA256withECDSA");
            check.initVerify(key);
            check.update(message);
            return check.verify(signature);
        } catch (GeneralSecurityException e) { // not even a signature
            return false;
        }
    }

    /** Base64 with its padding, and no other spelling of the same bytes. */
    static byte[] decode(String text, String place) {
        try {
            byte[] bytes = Base64.getDecoder().decode(text);
            if (Base64.getEncoder().encodeToString(bytes).equals(text)) {
                return bytes;
            }
        } catch (IllegalArgumentException e) {
            // as what is spelled otherwise
        }
        throw new DamagedDataException(place + ": holds what is no base64");
    }
}
