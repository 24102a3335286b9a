package dev.lethe.proof;

import dev.lethe.DamagedDataException;
import java.util.Arrays;
import java.util.Base64;

/**
 * The head of a log at a size, C2SP's checkpoint: origin, size, root hash, a line each. Extension lines are refused.
 *
 * @param origin the log's name
 * @param size   leaves
 * @param root   32 bytes
 */
record TreeHead(String origin, long size, byte[] root) {
    String text() {
        return origin + "\n" + size + "\n" + Base64.getEncoder().encodeToString(root) + "\n";
    }

    /** @throws DamagedDataException when the key has not signed it, or it is another log's */
    static TreeHead open(byte[] note, NoteKey key, String place) {
        String text = key.open(note, place);
        String[] lines = text.split("\n", -1);
        if (lines.length == 4 && lines[1].matches("0|[1-9]\\d{0,14}")) {
            TreeHead head = new TreeHead(lines[0], Long.parseLong(lines[1]), Dsse.decode(lines[2], place));
            if (head.text().equals(text) && head.root.length == Merkle.BYTES && head.origin.equals(key.name())) {
                return head;
            }
        }
        throw new DamagedDataException(place + ": is no checkpoint of " + key.name());
    }

    boolean same(TreeHead other) {
        return size == other.size && Arrays.equals(root, other.root);
    }
}
