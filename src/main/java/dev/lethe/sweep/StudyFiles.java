package dev.lethe.sweep;

import dev.lethe.base.DamagedDataException;
import dev.lethe.base.FolderLinks;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.page.Tables;
import dev.lethe.run.RunJson;
import dev.lethe.spec.CellResult;
import dev.lethe.spec.Spec;
import dev.lethe.sweep.Plan.Entry;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A study on disk: {@code cells/ID.json}, one a measured cell, whole or absent; {@code oracles/ID.json} alike; and what is
 * made of them anew each time: results.jsonl, results.csv, summary.csv, timings.csv. {@code order.json} has the plan and
 * {@code done.txt} the order in which cells were really done.
 */
final class StudyFiles {
    private final Path out;

    StudyFiles(Path out) {
        this.out = out;
        Io.disk(out + ": cannot be made", () -> {
            PrivateFiles.makeFolder(out);
            FolderLinks.requireInside(out);
            PrivateFiles.makeFolder(out.resolve("cells"));
            PrivateFiles.makeFolder(out.resolve("oracles"));
        });
    }

    /** A measured cell, or null when it is not there; one that cannot be read counts as not there. */
    CellResult cell(String id) {
        return read(out.resolve("cells").resolve(id + ".json"));
    }

    CellResult oracle(String id) {
        return read(out.resolve("oracles").resolve(id + ".json"));
    }

    void writeCell(CellResult result) {
        write(out.resolve("cells").resolve(result.id() + ".json"), RunJson.line(result) + "\n");
        try (OutputStream done = PrivateFiles.append(out.resolve("done.txt"))) {
            done.write((result.id() + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(out.resolve("done.txt") + ": cannot be written: " + Reason.of(e), e);
        }
    }

    void writeOracle(CellResult result) {
        write(out.resolve("oracles").resolve(result.id() + ".json"), RunJson.line(result) + "\n");
    }

    void writeOrder(Spec spec, Plan plan) {
        List<Map<String, Object>> cells = plan.entries().stream().map(StudyFiles::line).toList();
        write(out.resolve("order.json"), RunJson.pretty(Map.of("name", spec.name(), "spec", spec, "seeds", spec.seeds(),
                "cells", cells)));
    }

    private static Map<String, Object> line(Entry entry) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("id", entry.id());
        line.put("variant", entry.draft().variant());
        line.put("cell", entry.cell());
        return line;
    }

    /** Everything made of the cells. */
    void writeResults(List<CellResult> results) {
        StringBuilder lines = new StringBuilder();
        results.forEach(result -> lines.append(RunJson.line(result)).append('\n'));
        write(out.resolve("results.jsonl"), lines.toString());
        write(out.resolve("results.csv"), Tables.results(results));
        write(out.resolve("summary.csv"), Tables.summary(results));
        write(out.resolve("timings.csv"), Tables.timings(results));
    }

    static void write(Path file, String text) {
        Io.disk(file + ": cannot be written", () -> PrivateFiles.write(file, text));
    }

    private static CellResult read(Path file) {
        try {
            return Files.exists(file) ? RunJson.read(file, CellResult.class) : null;
        } catch (DamagedDataException e) {
            return null;
        }
    }
}
