/**
 * Evidence of an erasure that others can check: the certificate, the signature of the model, the audit log, and their
 * verification. The cryptography is the JDK's.
 *
 * <p>May import unlearn and everything below it; never report, study or cli.
 */
@NullMarked
package dev.lethe.proof;

import org.jspecify.annotations.NullMarked;
