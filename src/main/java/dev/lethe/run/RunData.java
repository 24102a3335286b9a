/* The texts behind a run: which records it learned and held out, hashed, and found again in their file. */
package dev.lethe.run;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Sha256;
import dev.lethe.data.Conversation;
import dev.lethe.data.DataForm;
import dev.lethe.data.Dataset;
import dev.lethe.data.TextRecord;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

public final class RunData {
    private RunData() { }

    /** SHA-256 over ids, text hashes and splits, in order; no text goes in beyond its hash. */
    public static String hash(List<RunRecord> records) {
        MessageDigest digest = Sha256.digest();
        for (RunRecord record : records) {
            String line = record.split() + "\t" + record.sha256() + "\t" + record.id() + "\n";
            digest.update(line.getBytes(StandardCharsets.UTF_8));
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /** The records of a split; {@code given} is used in place of the run's training file when it is not null. */
    public static Dataset read(RunFolder run, RunRecord.Split split, Dataset given) {
        List<RunRecord> wanted = run.records().stream().filter(record -> record.split() == split).toList();
        RunInfo.Data data = run.info().data();
        boolean ownFile = split == RunRecord.Split.HOLDOUT && data.holdoutPath() != null;
        Path path = Path.of(ownFile ? data.holdoutPath() : data.path());
        if (wanted.stream().allMatch(RunRecord::hasText)) {
            return Dataset.of(path, data.form(), wanted.stream().map(line -> kept(line, data.form())).toList());
        }
        Dataset source = given != null && !ownFile ? given : Dataset.read(path, data.form());
        if (!source.form().learnsAs(data.form())) {
            throw new BadInputException(source.path() + ": not read as it was for run " + run + ", which learned of conversations "
                    + data.form().learning() + ", not " + source.form().learning());
        }
        List<TextRecord> found = new ArrayList<>(wanted.size());
        List<String> problems = new ArrayList<>();
        for (RunRecord line : wanted) {
            TextRecord record = source.byId(line.id());
            if (record == null) {
                problems.add("record " + line.id() + " is no longer there");
            } else if (!record.hash().equals(line.sha256())) {
                problems.add("record " + line.id() + " has changed: SHA-256 of its text is " + record.hash()
                        + ", the run was made with " + line.sha256());
            } else {
                found.add(record);
            }
        }
        if (!problems.isEmpty()) {
            int shown = Math.min(5, problems.size());
            throw new BadInputException(source.path() + ": not the data that run " + run + " was made with: "
                    + String.join("; ", problems.subList(0, shown))
                    + (shown < problems.size() ? "; and " + (problems.size() - shown) + " more" : ""));
        }
        return Dataset.of(path, source.form(), found);
    }

    /** lethe.json first: a kill in between leaves the rows that a repetition finds and drops. */
    static int drop(RunFolder run, Set<String> ids) {
        List<RunRecord> rows = run.records();
        List<RunRecord> left = rows.stream().filter(row -> !ids.contains(row.id())).toList();
        RunInfo.Data data = run.info().data();
        int described = data.records() + data.holdout();
        if (described != rows.size() && described != left.size()) {
            throw new DamagedDataException(run + ": records.jsonl has " + rows.size() + " records, lethe.json says "
                    + described + "; bring back the file that was made with the run");
        }
        if (left.size() < rows.size()) {
            RunInfo.Plan plan = run.info().plan();
            boolean noted = plan == null || described != rows.size(); // by a drop that was killed
            run.save(run.info().withData(data.left(left)).withPlan(noted ? plan : plan.without(rows, ids)));
            RunFolder.write(run.root(), left);
        }
        return rows.size() - left.size();
    }

    private static TextRecord kept(RunRecord line, DataForm form) {
        return line.messages() != null
                ? new Conversation(line.messages(), form).record(line.id(), line.subject())
                : new TextRecord(line.id(), line.subject(), line.prompt(), line.completion());
    }
}
