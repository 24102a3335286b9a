package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_base_tensor;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;

/**
 * The frozen weights that models with adapters share, read where they lie in their files: on a CPU nothing but vectors is
 * copied. The files must not change meanwhile.
 *
 * <p>Belongs to the thread that opened it, as a {@link LanguageModel} does. It is freed when its opener and every model made
 * with it have closed, in whatever order.
 */
public final class Base implements AutoCloseable {
    private final OwnedMemory memory;
    private final MemorySegment handle;
    private final Files files;
    private int shares = 1;
    private boolean open = true;

    /**
     * Where one tensor lies, row-major as its {@link TensorInfo} says.
     *
     * @param offset bytes
     * @param dtype  F32, F16 or BF16
     */
    public record Place(Path file, long offset, Dtype dtype) { }

    /**
     * What a base is read from.
     *
     * @param folder the model's
     * @param sha256 of its weights, lower-case hex; vouched for by whoever made this
     * @param places of {@link ModelLayout#tensors()} of the shape without adapters, in that order
     */
    public record Files(Path folder, String sha256, List<Place> places) {
        public Files {
            places = List.copyOf(places);
        }
    }

    Base(Engine engine, ModelShape shape, Dtype dtype, Files files) {
        this.files = files;
        memory = new OwnedMemory("the base", engine.askedThreads());
        try (Arena arena = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(memory);
            MemorySegment config = ModelConfig.of(arena, engine, shape.withAdapters(List.of()), dtype);
            MemorySegment tensors = lethe_base_tensor.allocateArray(files.places().size(), arena);
            for (int i = 0; i < files.places().size(); i++) {
                Place place = files.places().get(i);
                MemorySegment tensor = lethe_base_tensor.asSlice(tensors, i);
                lethe_base_tensor.struct_size(tensor, lethe_base_tensor.sizeof());
                lethe_base_tensor.path(tensor, arena.allocateFrom(place.file().toAbsolutePath().toString()));
                lethe_base_tensor.offset(tensor, place.offset());
                lethe_base_tensor.dtype(tensor, place.dtype().code());
            }
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            calls.done("open base", LetheNative.lethe_base_open(config, tensors, files.places().size(), out, calls.begin()));
            handle = out.get(ValueLayout.ADDRESS, 0).reinterpret(memory.arena(), LetheNative::lethe_base_close);
        } catch (Throwable e) {
            memory.close();
            throw e;
        }
    }

    public Files files() {
        return files;
    }

    MemorySegment handle() {
        memory.check();
        return handle;
    }

    /** For one more model, which will {@link #release} it. */
    void share() {
        memory.check();
        shares++;
    }

    void release() {
        if (--shares == 0) {
            memory.close();
        }
    }

    /** Gives the opener's share back; again does nothing. */
    @Override
    public void close() {
        if (open) {
            open = false;
            release();
        }
    }
}
