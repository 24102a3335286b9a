/* A result that several processes compute, a file each: how the files are called, and whether those at hand are all of one result. */
package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** Files of shards, and refusals of those that do not go together, a sentence each. Stateless. */
public final class Parts {
    /** One of n files; its text is its path. */
    interface Part {
        /** Which, from 1. */
        int shard();

        int of();

        /** What must be the same in all, by what an error calls it. */
        Map<String, Object> asked();
    }

    private Parts() {}

    /** Where a shard's file lies in a folder. */
    public static Path file(Path folder, int shard, int of, String ending) {
        return folder.resolve(String.format(Locale.ROOT, "shard-%04d-of-%04d%s", shard, of, ending));
    }

    /** The files of that ending in a folder. @throws BadInputException when there is none */
    public static List<Path> in(Path folder, String ending) {
        List<Path> own = Io.reading(folder, () -> Io.list(folder)).stream().filter(file -> file.toString().endsWith(ending)).toList();
        if (own.isEmpty())
            throw new BadInputException(folder + ": there is no partial result in it (*" + ending + "); compute"
                    + " the shards first (docs/scaling.md)");
        return own;
    }

    /** All of one result, by their number. @throws BadInputException naming two files that do not go together, or what is missing */
    static <P extends Part> List<P> inOrder(List<P> parts) {
        if (parts.isEmpty()) throw new BadInputException("there is no partial result; compute all shards first");
        P one = parts.getFirst();
        parts.forEach(other -> requireSame(one, other));
        List<P> shards = parts.stream().sorted(Comparator.comparingInt(Part::shard)).toList();
        int next = 1;
        for (P shard : shards) {
            if (shard.shard() < next)
                throw new BadInputException(shards.get(next - 2) + " and " + shard + " are both " + name(shard) + "; leave one out");
            if (shard.shard() > next) throw missing(next, one.of());
            next++;
        }
        if (next <= one.of()) throw missing(next, one.of());
        return shards;
    }

    static String name(Part part) {
        return "shard " + part.shard() + "/" + part.of();
    }

    private static BadInputException missing(int shard, int of) {
        return new BadInputException("shard " + shard + "/" + of + " is missing; compute that one too, as the others were");
    }

    private static void requireSame(Part one, Part other) {
        Set<String> names = new LinkedHashSet<>(one.asked().keySet());
        names.addAll(other.asked().keySet());
        for (String name : names) {
            Object a = one.asked().get(name);
            Object b = other.asked().get(name);
            if (!Objects.equals(a, b))
                throw new BadInputException(other + " was computed with " + name + " than " + one + ": " + said(b) + ", not " + said(a)
                        + "; compute its shard again as the others were");
        }
        if (one.of() != other.of())
            throw new BadInputException(one + " is " + name(one) + ", " + other + " is " + name(other)
                    + ": only shards of one cut go together");
    }

    private static String said(Object value) {
        return value == null ? "none" : value.toString();
    }
}
