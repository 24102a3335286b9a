/*
 * The hashes and proofs of RFC 6962, section 2.1, verified as RFC 9162 says (2.1.3.2 and 2.1.4.2). A proof is made of ranges of
 * leaves, whose hashes a Source knows.
 */
package dev.lethe.proof;

import dev.lethe.base.Sha256;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Stateless, any thread. */
final class Merkle {
    static final int BYTES = 32;
    private static final byte[] LEAF = {0};
    private static final byte[] NODE = {1};

    private Merkle() { }

    /** Hashes of whole subtrees. */
    @FunctionalInterface
    interface Source {
        /** MTH(D[index·2^level : (index + 1)·2^level]), which lies within the tree. */
        byte[] node(int level, long index);
    }

    static byte[] leaf(byte[] entry) {
        return Sha256.of(LEAF, entry);
    }

    static byte[] node(byte[] left, byte[] right) {
        return Sha256.of(NODE, left, right);
    }

    /** MTH(D[0:size]). */
    static byte[] root(Source source, long size) {
        return size == 0 ? Sha256.of() : range(source, 0, size);
    }

    /** MTH(D[from:to]), from a multiple of the largest power of two below its length. */
    private static byte[] range(Source source, long from, long to) {
        long length = to - from;
        if (Long.bitCount(length) == 1) {
            int level = Long.numberOfTrailingZeros(length);
            return source.node(level, from >> level);
        }
        long split = from + below(length);
        return node(range(source, from, split), range(source, split, to));
    }

    /** Largest power of two smaller than n ≥ 2. */
    private static long below(long n) {
        return Long.highestOneBit(n - 1);
    }

    /** PATH(index, D[0:size]), from the leaf's sibling up. */
    static List<byte[]> inclusion(Source source, long index, long size) {
        List<byte[]> path = new ArrayList<>();
        path(source, index, 0, size, path);
        return path;
    }

    private static void path(Source source, long index, long from, long to, List<byte[]> path) {
        if (to - from == 1) {
            return;
        }
        long split = from + below(to - from);
        if (index < split) {
            path(source, index, from, split, path);
            path.add(range(source, split, to));
        } else {
            path(source, index, split, to, path);
            path.add(range(source, from, split));
        }
    }

    /** PROOF(old, D[0:size]), 0 < old ≤ size. */
    static List<byte[]> consistency(Source source, long old, long size) {
        List<byte[]> proof = new ArrayList<>();
        subproof(source, old, 0, size, true, proof);
        return proof;
    }

    private static void subproof(Source source, long old, long from, long to, boolean known, List<byte[]> proof) {
        if (old == to) {
            if (!known) {
                proof.add(range(source, from, to));
            }
            return;
        }
        long split = from + below(to - from);
        if (old <= split) {
            subproof(source, old, from, split, known, proof);
            proof.add(range(source, split, to));
        } else {
            subproof(source, old, split, to, false, proof);
            proof.add(range(source, from, split));
        }
    }

    private static boolean hashes(List<byte[]> proof) {
        return proof.stream().allMatch(hash -> hash.length == BYTES);
    }

    /** Whether a leaf is in the tree of that size and root. */
    static boolean includes(byte[] leaf, long index, long size, List<byte[]> proof, byte[] root) {
        if (index < 0 || index >= size || leaf.length != BYTES || !hashes(proof)) {
            return false;
        }
        byte[][] top = climbed(index, size - 1, leaf, proof);
        return top != null && Arrays.equals(top[1], root);
    }

    /**
     * From a node to the top by its proof: {what only the siblings at the left make of it, what all of them make}, so that of the last
     * node of an older tree the first is that tree's root; null where the proof is of another length.
     *
     * @param at   the node's place in its row, {@code last} that of the row's last
     */
    private static byte[][] climbed(long at, long last, byte[] node, List<byte[]> proof) {
        byte[] first = node;
        byte[] second = node;
        for (byte[] one : proof) {
            if (last == 0) {
                return null;
            }
            if ((at & 1) == 1 || at == last) {
                first = node(one, first);
                second = node(one, second);
                while ((at & 1) == 0 && at != 0) {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                second = node(second, one);
            }
            at >>= 1;
            last >>= 1;
        }
        return last == 0 ? new byte[][] {first, second} : null;
    }

    /** Whether the tree of the second size and root begins with all of the first. */
    static boolean extendsTo(long old, byte[] oldRoot, long size, byte[] root, List<byte[]> proof) {
        if (old <= 0 || old > size || !hashes(proof)) { // of what begins with nothing nothing is shown
            return false;
        }
        if (old == size) {
            return proof.isEmpty() && Arrays.equals(oldRoot, root);
        }
        List<byte[]> path = new ArrayList<>(proof);
        if (Long.bitCount(old) == 1) {
            path.addFirst(oldRoot);
        }
        if (path.isEmpty()) {
            return false;
        }
        long at = old - 1;
        long last = size - 1;
        while ((at & 1) == 1) {
            at >>= 1;
            last >>= 1;
        }
        byte[][] top = climbed(at, last, path.getFirst(), path.subList(1, path.size()));
        return top != null && Arrays.equals(top[0], oldRoot) && Arrays.equals(top[1], root);
    }
}
