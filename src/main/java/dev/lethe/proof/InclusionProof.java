package dev.lethe.proof;

import dev.lethe.base.DamagedDataException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;

/**
 * C2SP's tlog-proof: that an entry is in a log, checkable without the log. Lethe writes no extra data and reads none.
 *
 * @param index      of the entry
 * @param hashes     from the leaf's sibling up
 * @param checkpoint signed note, as the log had it
 */
record InclusionProof(long index, List<byte[]> hashes, byte[] checkpoint) {
    private static final String HEAD = "c2sp.org/tlog-proof@v1\n";

    byte[] bytes() {
        StringBuilder text = new StringBuilder(HEAD).append("index ").append(index).append('\n');
        hashes.forEach(hash -> text.append(Base64.getEncoder().encodeToString(hash)).append('\n'));
        return (text.append('\n') + new String(checkpoint, StandardCharsets.UTF_8)).getBytes(StandardCharsets.UTF_8);
    }

    static InclusionProof read(byte[] file, String place) {
        String text = new String(file, StandardCharsets.UTF_8);
        int end = text.indexOf("\n\n");
        String[] lines = end < 0 ? new String[0] : text.substring(0, end).split("\n", -1);
        if (lines.length < 2 || !text.startsWith(HEAD) || !lines[1].matches("index (0|[1-9]\\d{0,14})")) {
            throw new DamagedDataException(place + ": is no proof of inclusion as Lethe writes it (" + HEAD.strip() + ")");
        }
        List<byte[]> hashes = new ArrayList<>();
        for (String line : List.of(lines).subList(2, lines.length)) {
            hashes.add(Dsse.decode(line, place));
        }
        return new InclusionProof(Long.parseLong(lines[1].substring(6)), hashes,
                text.substring(end + 2).getBytes(StandardCharsets.UTF_8));
    }

    /**
     * @return the head that the proof leads to
     * @throws DamagedDataException unless the key has signed it and the entry is in it
     */
    TreeHead verify(byte[] entry, NoteKey key, String place) {
        TreeHead head = TreeHead.open(checkpoint, key, place);
        if (!Merkle.includes(Merkle.leaf(entry), index, head.size(), hashes, head.root())) {
            throw new DamagedDataException(place + ": does not show that the certificate is in the log: one of the two"
                    + " was changed");
        }
        return head;
    }

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
}
