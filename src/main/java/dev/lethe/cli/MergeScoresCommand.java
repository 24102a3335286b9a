package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Settings;
import dev.lethe.console.Counted;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.SettingOptions;
import dev.lethe.engine.ModelLayout;
import dev.lethe.influence.LedgerBlocks;
import dev.lethe.influence.PartialScores;
import dev.lethe.influence.Parts;
import dev.lethe.influence.ScoreMethod;
import dev.lethe.influence.ScoreRequest;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.GradientLedger;
import dev.lethe.model.Checkpoint;
import dev.lethe.report.OutputFile;
import dev.lethe.run.RunFolder;
import dev.lethe.shape.Site;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** lethe merge-scores: one result of the partial ones that lethe score --shard wrote. */
@Command(name = "merge-scores", description = {"Makes one result of the partial ones of all shards: the same, to the last digit, as"
    + " lethe score gives without --shard.", "Reads headers of the ledger alone, and computes no gradient."})
final class MergeScoresCommand extends LetheCommand {
    @Parameters(paramLabel = "RUN", index = "0", description = "The run that was scored.")
    private Path run;

    @Parameters(paramLabel = "PARTS", index = "1..*", arity = "1..*", description = "The partial results, or folders of them.")
    private List<Path> parts;

    @Option(names = "--csv", paramLabel = "FILE", description = "Write query, rank, id, score and the sites' parts.")
    private OutputFile csv;

    @Option(names = "--plot", paramLabel = "FILE", description = "Draw the distribution of all scores, .svg or .png.")
    private OutputFile plot;

    private int top = 20;

    @Mixin
    private final SettingOptions settings = new SettingOptions(all -> all.whole("top", top, "How many to show; 0 = all",
            value -> top = Settings.atLeast(0, value)), "top");

    @Override
    protected void work() {
        RunFolder folder = RunFolder.open(run);
        if (!folder.hasLedger()) {
            throw new BadInputException(run + ": has no ledger, so nothing of it can have been scored by shards");
        }
        List<PartialScores> shards = new ArrayList<>();
        try {
            files().forEach(file -> shards.add(PartialScores.open(file)));
            merge(folder, shards);
        } finally {
            shards.forEach(PartialScores::close);
        }
    }

    private List<Path> files() {
        List<Path> files = new ArrayList<>();
        for (Path part : parts) {
            if (Files.isDirectory(part)) {
                files.addAll(Parts.in(part, PartialScores.ENDING));
            } else {
                files.add(part);
            }
        }
        return files;
    }

    private void merge(RunFolder folder, List<PartialScores> shards) {
        ScoreRequest request = shards.getFirst().header().request();
        if (!request.model().equals(Checkpoint.hash(folder.model()))) {
            throw new BadInputException(shards.getFirst() + ": was scored with other weights than those that lie in " + folder.model()
                    + " now; name the run that was scored, or score the shards again");
        }
        ScoreMethod method = ScoreMethod.of(shards.getFirst() + ": method", request.settings().getOrDefault("method", ""));
        List<Site> sites = ModelLayout.of(folder.info().source().shape()).sites();
        ScoreTable table = new ScoreTable(sites, top);
        Map<RecordKey, String> names = ScoreTable.names(folder);
        int[] asked = {0};
        try (GradientLedger ledger = GradientLedger.open(folder.ledger())) {
            ledger.requireModel(folder.info().source().modelHash());
            PartialScores.merge(shards, blocks(ledger, request), sites, (_, scores) -> {
                asked[0]++;
                table.add(names, scores);
            });
        }
        table.output(this, method, csv, plot, asked[0]);
    }

    /** The entries that were asked for, cut as they were. */
    private static LedgerBlocks blocks(GradientLedger ledger, ScoreRequest request) {
        Counted counted = new Counted(1);
        Settings known = new Settings();
        counted.into(known);
        request.settings().forEach((name, value) -> {
            if (known.find(name) != null) {
                known.set(name, value);
            }
        });
        return LedgerBlocks.of(counted.entries(ledger), counted.options(null).blockBytes());
    }
}
