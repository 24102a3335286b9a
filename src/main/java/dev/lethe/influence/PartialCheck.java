/* Whether partial scores are the shards of one request, all of them, and of the ledger as it is. */
package dev.lethe.influence;

import dev.lethe.base.BadInputException;
import dev.lethe.influence.EntryRows.Asked;
import dev.lethe.influence.PartialScores.Header;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;

/** Refusals, a sentence each. Stateless. */
final class PartialCheck {
    private PartialCheck() {}

    /** The shards by their number. @throws BadInputException naming two files that do not go together, or what is missing */
    static List<PartialScores> inOrder(List<PartialScores> parts, LedgerBlocks blocks) {
        if (parts.isEmpty()) throw new BadInputException("there is no partial result; score a ledger in shards first");
        PartialScores one = parts.getFirst();
        parts.forEach(other -> requireSame(one, other));
        List<PartialScores> shards = parts.stream().sorted(Comparator.comparingInt(part -> part.header().shard())).toList();
        int next = 1;
        int position = 0;
        for (PartialScores shard : shards) {
            Header header = shard.header();
            if (header.shard() < next)
                throw new BadInputException(shards.get(next - 2) + " and " + shard + " are both " + header.name() + "; leave one out");
            if (header.shard() > next) throw missing(next, header.of());
            if (header.first() != position)
                throw new BadInputException(shard + ": " + header.name() + " begins with entry " + header.first() + ", the one before it"
                        + " ends at " + position + "; score the shards again, all in one way");
            position = header.last();
            next++;
        }
        if (next <= one.header().of()) throw missing(next, one.header().of());
        if (!one.header().request().ledger().equals(blocks.sha256()) || position != blocks.entries().size())
            throw new BadInputException(one + ": the ledger has changed since: " + position + " of its entries were asked for, now "
                    + blocks.entries().size() + " are, or they are others (an erasure takes entries away); score the shards again");
        return shards;
    }

    private static BadInputException missing(int shard, int of) {
        return new BadInputException("shard " + shard + "/" + of + " is missing; score that one too, as the others were");
    }

    private static void requireSame(PartialScores one, PartialScores other) {
        ScoreRequest a = one.header().request();
        ScoreRequest b = other.header().request();
        same(one, other, "the weights of another model", a.model(), b.model());
        same(one, other, "another ledger, or other entries of it,", a.ledger(), b.ledger());
        same(one, other, "other queries", a.queries(), b.queries());
        same(one, other, "other sites", a.sites(), b.sites());
        same(one, other, "another weighing", a.weighings(), b.weighings());
        TreeSet<String> names = new TreeSet<>(a.settings().keySet());
        names.addAll(b.settings().keySet());
        for (String name : names) same(one, other, "another " + name, a.settings().get(name), b.settings().get(name));
        if (one.header().of() != other.header().of())
            throw new BadInputException(one + " is " + one.header().name() + ", " + other + " is " + other.header().name()
                    + ": only shards of one cut go together");
    }

    private static void same(PartialScores one, PartialScores other, String what, Object a, Object b) {
        if (!Objects.equals(a, b))
            throw new BadInputException(other + " was scored with " + what + " than " + one + ": " + said(b) + ", not " + said(a)
                    + "; score its shard again as the others were");
    }

    private static String said(Object value) {
        return value == null ? "none" : value instanceof Map<?, ?> map && map.isEmpty() ? "none" : value.toString();
    }

    /** Norms stand for the queries' vectors, which every shard computes for itself. */
    static void requireSame(PartialScores one, List<Asked> turn, PartialScores other, List<Asked> own) {
        if (turn.equals(own)) return;
        throw new BadInputException(other + ": computed its queries' gradients to other bits than " + one + "; score both on machines of"
                + " one kind with one number of threads, and with the same saved factors");
    }
}
