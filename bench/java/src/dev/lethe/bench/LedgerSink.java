/*
 * A ledger that a case captures into, as a training does. On the CPU: reserve, let the backward pass fill it, commit. From a
 * device entries leave through a ring, and a thread of the sink's own carries them into the ledger while the model goes on.
 */
package dev.lethe.bench;

import dev.lethe.engine.CaptureRing;
import dev.lethe.engine.EntryFormat;
import dev.lethe.engine.LanguageModel;
import dev.lethe.ledger.Entry.EntryHeader;
import dev.lethe.ledger.Entry.RecordKey;
import dev.lethe.ledger.LedgerManifest;
import dev.lethe.ledger.LedgerWriter;
import dev.lethe.shape.Device;
import dev.lethe.shape.Dtype;
import dev.lethe.text.Example;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

final class LedgerSink implements AutoCloseable {
    private static final int MOST_SLOTS = 4;
    private static final long MOST_PINNED = 8L << 30; // both as a training has them

    private final LanguageModel model;
    private final EntryFormat format;
    private final ExecutorService thread; // the writer's; null on the CPU
    private final ArrayDeque<Future<?>> jobs = new ArrayDeque<>();
    private final LedgerWriter writer;
    private CaptureRing ring;
    private long slotBytes;
    private List<EntryHeader> headers; // of the batch under way
    private long bytes;
    private final AtomicLong busy = new AtomicLong();

    /** @param args sites, a selector; topk, softmax errors kept a token (0: all); dtype, F32 or BF16 */
    LedgerSink(LanguageModel model, Path folder, JsonNode args) {
        this(model, folder, new EntryFormat(model.sites(args.get("sites").asString()), args.path("topk").asInt(0),
                Dtype.valueOf(args.path("dtype").asString("F32"))));
    }

    LedgerSink(LanguageModel model, Path folder, EntryFormat format) {
        this.model = model;
        this.format = format;
        deleteTree(folder);
        thread = model.device().kind() == Device.Kind.CPU ? null
                : Executors.newSingleThreadExecutor(Thread.ofPlatform().daemon().name("ledger").factory());
        writer = onThread(() -> LedgerWriter.create(folder, LedgerManifest.of("0".repeat(64), model.shape(),
                format.sites().names(), format.headTopK(), format.dtype())));
    }

    /** What the gradient call of these examples takes; {@link #captured} follows the call. */
    CaptureRing.Capture begin(List<Example> examples, long step) {
        long[] sizes = examples.stream()
                .mapToLong(e -> model.entries().bytes(format, e.tokens().length, e.targetCount())).toArray();
        long all = LongStream.of(sizes).sum();
        bytes += all;
        List<EntryHeader> headers = examples.stream().map(example -> new EntryHeader(RecordKey.of(example.id()), 0, step,
                5e-5, 1.0 / sizes.length, example.tokens().length, example.targetCount())).toList();
        if (thread == null) {
            return new CaptureRing.Capture(format, IntStream.range(0, sizes.length)
                    .mapToObj(b -> writer.reserve(headers.get(b), sizes[b])).toList());
        }
        if (all > slotBytes) {
            closeRing();
            slotBytes = all;
            ring = model.captureRing((int) Math.clamp(MOST_PINNED / all, 1, MOST_SLOTS), all);
        }
        this.headers = headers;
        return CaptureRing.Capture.through(ring, format);
    }

    void captured() {
        if (thread != null) {
            List<EntryHeader> taken = headers;
            jobs.add(thread.submit(() -> ring.take(taken.size(), entries -> timed(() -> writer.write(taken, entries)))));
        }
    }

    void commit() {
        if (thread == null) {
            writer.commit();
        } else {
            jobs.add(thread.submit(() -> timed(writer::commit)));
        }
    }

    private void timed(Runnable body) {
        long start = System.nanoTime();
        body.run();
        busy.addAndGet(System.nanoTime() - start);
    }

    /** Waits until everything committed is in the ledger. */
    void finish() {
        while (!jobs.isEmpty()) {
            await(jobs.remove());
        }
    }

    private <T> T onThread(Supplier<T> body) {
        return thread == null ? body.get() : await(thread.submit(body::get));
    }

    private static <T> T await(Future<T> job) {
        try {
            return job.get();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException("the ledger's thread: " + e, e);
        }
    }

    private void closeRing() {
        finish();
        if (ring != null) {
            ring.close();
        }
    }

    /** Captures all of them, a batch of so many at a time, into an empty ledger. */
    void captureAll(List<Example> examples, int batch) {
        for (List<Example> part : Examples.parts(examples, batch)) {
            model.gradient(Examples.batch(part), false, begin(part, 1));
            captured();
            commit();
        }
        finish();
    }

    /** Drops every entry and gives its room back. */
    void clear() {
        finish();
        onThread(() -> {
            writer.truncateAfter(0);
            return null;
        });
        bytes = 0;
        busy.set(0);
    }

    /** Nanoseconds that the sink's thread has written and committed since the last clear. */
    long busy() {
        return busy.get();
    }

    /** Of payloads since the last clear. */
    long bytes() {
        return bytes;
    }

    @Override
    public void close() {
        try (ExecutorService ending = thread) {
            try {
                closeRing();
            } finally {
                onThread(() -> {
                    writer.close();
                    return null;
                });
            }
        }
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
