/* A ledger that a case captures into, as a training does: reserve, let the backward pass fill it, commit. */
package dev.lethe.bench;

import dev.lethe.data.Example;
import dev.lethe.engine.Capture;
import dev.lethe.engine.Dtype;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.EntryHeader;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.ledger.RecordKey;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

final class LedgerSink implements AutoCloseable {
    private final LanguageModel model;
    private final EntryFormat format;
    private final LedgerWriter writer;
    private long bytes;

    /** @param args sites, a selector; topk, softmax errors kept a token (0: all); dtype, F32 or BF16 */
    LedgerSink(LanguageModel model, Path folder, JsonNode args) {
        this(model, folder, new EntryFormat(model.sites(args.get("sites").asString()), args.path("topk").asInt(0),
                Dtype.valueOf(args.path("dtype").asString("F32"))));
    }

    LedgerSink(LanguageModel model, Path folder, EntryFormat format) {
        this.model = model;
        this.format = format;
        deleteTree(folder);
        writer = LedgerWriter.create(folder, LedgerManifest.of("0".repeat(64), model.shape(), format.sites().names(),
                format.headTopK(), format.dtype()));
    }

    Capture reserve(List<Example> examples, long step) {
        List<MemorySegment> room = new ArrayList<>(examples.size());
        for (Example example : examples) {
            int targets = example.targetCount();
            long length = model.entries().bytes(format, example.tokens().length, targets);
            bytes += length;
            room.add(writer.reserve(new EntryHeader(RecordKey.of(example.id()), 0, step, 5e-5, 1.0 / examples.size(),
                    example.tokens().length, targets), length));
        }
        return new Capture(format, room);
    }

    void commit() {
        writer.commit();
    }

    /** Captures all of them, a batch of so many at a time, into an empty ledger. */
    void captureAll(List<Example> examples, int batch) {
        for (List<Example> part : Examples.parts(examples, batch)) {
            model.gradient(Examples.batch(part), false, reserve(part, 1));
            commit();
        }
    }

    /** Drops every entry and gives its room back. */
    void clear() {
        writer.truncateAfter(0);
        bytes = 0;
    }

    /** Of payloads since the last clear. */
    long bytes() {
        return bytes;
    }

    @Override
    public void close() {
        writer.close();
    }

    static void deleteTree(Path folder) {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<Path> filesUnder(Path folder) {
        try (Stream<Path> paths = Files.walk(folder)) {
            return paths.filter(Files::isRegularFile).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static long bytesUnder(Path folder) {
        return Files.exists(folder) ? filesUnder(folder).stream().mapToLong(path -> path.toFile().length()).sum() : 0;
    }
}
