package dev.lethe.base;

import dev.lethe.LetheException;

/**
 * Stored data is not what was written: a checksum, marker or structure is wrong. The message names the file and the
 * place in it. Damaged data is never used. The command ends with exit code 4.
 */
public final class DamagedDataException extends LetheException {
    private static final long serialVersionUID = 1;

    public DamagedDataException(String message) {
        super(Code.DAMAGED, message, null);
    }

    public DamagedDataException(String message, Throwable cause) {
        super(Code.DAMAGED, message, cause);
    }
}
