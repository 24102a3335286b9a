package dev.lethe.influence;

import dev.lethe.base.Sha256;
import dev.lethe.influence.ScoreMethod.Weighing;
import dev.lethe.text.Example;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the shards of one scoring have in common: every one says it, and those that say different things are not summed.
 *
 * @param model     SHA-256 of the weights that the queries' gradients are taken at
 * @param ledger    as {@link LedgerBlocks#sha256}
 * @param entries   that are asked for
 * @param sites     names of those that count, in the model's order
 * @param queries   SHA-256 of their names, tokens and targets; null where there are none
 * @param weighings of the products
 * @param settings  whatever else decides about the numbers, as it was set
 */
public record ScoreRequest(String model, String ledger, int entries, List<String> sites, String queries, List<Weighing> weighings,
        Map<String, String> settings) {
    public ScoreRequest {
        sites = List.copyOf(sites);
        weighings = List.copyOf(weighings);
        settings = new TreeMap<>(settings);
    }

    /** @param queries none where entries are scored on themselves */
    public static ScoreRequest of(String model, LedgerBlocks blocks, List<String> sites, List<InfluenceQuery> queries,
            List<Weighing> weighings, Map<String, String> settings) {
        return new ScoreRequest(model, blocks.sha256(), blocks.entries().size(), sites, queries.isEmpty() ? null : sha256(queries),
                weighings, settings);
    }

    private static String sha256(List<InfluenceQuery> queries) {
        MessageDigest digest = Sha256.digest();
        for (InfluenceQuery query : queries) {
            text(digest, query.name());
            for (Example example : query.examples()) {
                numbers(digest, example.tokens());
                numbers(digest, example.targets());
            }
        }
        return Sha256.hex(digest.digest());
    }

    private static void text(MessageDigest digest, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(bytes.length).array());
        digest.update(bytes);
    }

    private static void numbers(MessageDigest digest, int[] numbers) {
        ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES * (numbers.length + 1)).putInt(numbers.length);
        for (int number : numbers) bytes.putInt(number);
        digest.update(bytes.array());
    }
}
