/*
 * The public key that a verifier trusts: a PEM file of a P-256 key as Lethe writes it, or of an X.509 certificate with those
 * that vouch for it behind it, each valid at the time that is asked for. Whether the last of a chain is to be trusted is said by
 * who names the file; revocation is not looked up (verification is offline).
 */
package dev.lethe.proof;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import dev.lethe.base.Reason;
import dev.lethe.base.Sha256;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;
import java.util.Date;
import java.util.List;

/** Stateless, any thread. */
final class Pem {
    private static final String BEGIN = "-----BEGIN PUBLIC KEY-----\n";
    private static final String END = "\n-----END PUBLIC KEY-----\n";
    private static final int P256_BITS = 256;
    private static final int KEY_CERT_SIGN = 5; // of RFC 5280's key usage

    private Pem() { }

    /** SubjectPublicKeyInfo, as OpenSSL writes it. */
    static String of(PublicKey key) {
        return BEGIN + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(key.getEncoded()) + END;
    }

    /** SHA-256 of the SubjectPublicKeyInfo, in hex: what people compare. */
    static String fingerprint(PublicKey key) {
        return Sha256.hex(Sha256.of(key.getEncoded()));
    }

    /** Whether it is an elliptic-curve key of 256 bits, of which the JDK has NIST's P-256 alone. */
    static boolean isP256(PublicKey key) {
        return key instanceof ECPublicKey ec && ec.getParams() != null && ec.getParams().getOrder().bitLength() == P256_BITS;
    }

    /** A key that came along with what it signed. @throws DamagedDataException unless written as {@link #of} does */
    static PublicKey readExact(Path file) throws IOException {
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        PublicKey key = bare(text);
        if (key == null || !isP256(key) || !of(key).equals(text)) {
            throw new DamagedDataException(file + ": is not a public P-256 key as Lethe writes it; it was changed");
        }
        return key;
    }

    /**
     * The key of a file that a person trusts.
     *
     * @param at when certificates must have been valid; null: is not asked yet
     * @throws BadInputException    when the file holds no such key
     * @throws DamagedDataException when a certificate was not valid at that time, or one does not vouch for the one before it
     */
    static PublicKey read(Path file, Instant at) {
        return Io.reading(file, () -> {
            String text = Files.readString(file, StandardCharsets.ISO_8859_1).replace("\r\n", "\n");
            PublicKey key = text.contains("BEGIN CERTIFICATE") ? certified(file, text, at) : bare(text);
            if (key == null || !isP256(key)) {
                throw new BadInputException(file + ": holds no public key on the curve P-256; name the .pem beside the"
                        + " key store");
            }
            return key;
        });
    }

    private static PublicKey bare(String text) {
        int from = text.indexOf(BEGIN);
        int to = text.indexOf(END.strip());
        if (from < 0 || to < from) {
            return null;
        }
        try {
            byte[] der = Base64.getMimeDecoder().decode(text.substring(from + BEGIN.length(), to));
            return KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(der));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            return null;
        }
    }

    private static PublicKey certified(Path file, String text, Instant at) {
        try {
            List<X509Certificate> chain = CertificateFactory.getInstance("X.509")
                    .generateCertificates(new ByteArrayInputStream(text.getBytes(StandardCharsets.ISO_8859_1))).stream()
                    .map(X509Certificate.class::cast).toList();
            if (at != null) {
                String problem = problem(chain, at);
                if (problem != null) {
                    throw new DamagedDataException(file + ": " + problem);
                }
            }
            return chain.isEmpty() ? null : chain.getFirst().getPublicKey();
        } catch (CertificateException e) {
            throw new BadInputException(file + ": is no X.509 certificate: " + Reason.of(e), e);
        }
    }

    /** Whether one is an authority with so many of its own between it and the signer, and the one that {@code one} names. */
    private static boolean vouches(X509Certificate authority, X509Certificate one, int between) {
        boolean[] use = authority.getKeyUsage();
        return authority.getBasicConstraints() >= between && (use == null || use[KEY_CERT_SIGN])
                && one.getIssuerX500Principal().equals(authority.getSubjectX500Principal());
    }

    /** Why a chain, its first certificate the signer's, does not hold at a time; null when it does. */
    static String problem(List<X509Certificate> chain, Instant at) {
        for (int i = 0; i < chain.size(); i++) {
            X509Certificate one = chain.get(i);
            String name = "the certificate of " + one.getSubjectX500Principal().getName();
            try {
                one.checkValidity(Date.from(at));
                if (i + 1 < chain.size()) {
                    X509Certificate next = chain.get(i + 1);
                    one.verify(next.getPublicKey());
                    if (!vouches(next, one, i)) {
                        return name + " is signed by one that may not vouch for others, "
                                + next.getSubjectX500Principal().getName();
                    }
                }
            } catch (CertificateExpiredException e) {
                return name + " had expired at " + at + " (valid until " + one.getNotAfter().toInstant() + ")";
            } catch (CertificateNotYetValidException e) {
                return name + " was not valid yet at " + at + " (valid from " + one.getNotBefore().toInstant() + ")";
            } catch (GeneralSecurityException e) {
                return name + " is not signed by the next one of its chain";
            }
        }
        return null;
    }
}
