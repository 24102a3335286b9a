package dev.lethe.console;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Settings;
import dev.lethe.influence.InfluenceScorer.ScoreOptions;
import dev.lethe.ledger.Entry;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.shape.SiteSet;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What of a ledger a score counts, and the memory for the gradients of queries and entries. */
public final class Counted {
    private String sites;
    private List<Integer> epochs;
    private long mebibytes;
    private double block = 64;

    public Counted(long mebibytes) {
        this.mebibytes = mebibytes;
    }

    public void into(Settings settings) {
        settings.section("what is compared")
                .text("sites", "SITES", "", "Sites that count (default: all that are stored)", value -> sites = value)
                .text("epochs", "E,E", "", "Captured epochs that count, from 0 (default: all that are stored)", this::epochs)
                .wholeLong("query_memory", mebibytes, "MiB for queries; more than fit take turns, a pass over the ledger each",
                        this::memory)
                .number("block_memory", "X", block, "MiB of entries read and scored at once; shards are cut between such blocks",
                        this::block);
    }

    private void epochs(String text) {
        try {
            epochs = Arrays.stream(text.split(",")).map(Integer::valueOf).toList();
        } catch (NumberFormatException e) {
            throw new BadInputException("must be numbers of epochs such as 0,2", e);
        }
    }

    private void memory(long value) {
        if (value < 1 || value > 1L << 30) {
            throw new BadInputException("must be 1 to " + (1L << 30) + " MiB");
        }
        mebibytes = value;
    }

    private void block(double value) {
        if (!(value >= 1.0 / 1024 && value <= 1 << 20)) {
            throw new BadInputException("must be 0.001 to " + (1 << 20) + " MiB");
        }
        block = value;
    }

    /** A selector, or null for all. */
    public String sites() {
        return sites;
    }

    /** What is scored of these sites. */
    public ScoreOptions options(SiteSet chosen) {
        return ScoreOptions.defaults().withSites(chosen).withQueryBytes(mebibytes << 20).withBlockBytes((long) (block * (1 << 20)));
    }

    /** The entries of the epochs that count. @throws BadInputException when one was not captured */
    public List<Entry> entries(GradientLedger ledger) {
        if (epochs == null) {
            return ledger.entries();
        }
        TreeSet<Integer> captured = ledger.entries().stream().map(entry -> entry.header().epoch())
                .collect(Collectors.toCollection(TreeSet::new));
        TreeSet<Integer> missing = new TreeSet<>(epochs);
        missing.removeAll(captured);
        if (!missing.isEmpty()) {
            throw new BadInputException("epochs=" + list(missing.stream()) + ": the ledger holds epochs " + list(captured.stream())
                    + "; choose among these, or train with --capture all");
        }
        return ledger.entries().stream().filter(entry -> epochs.contains(entry.header().epoch())).toList();
    }

    private static String list(Stream<Integer> numbers) {
        return numbers.map(String::valueOf).collect(Collectors.joining(","));
    }
}
