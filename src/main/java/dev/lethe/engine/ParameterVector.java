package dev.lethe.engine;

import dev.lethe.bindings.LetheNative;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;

/**
 * A free vector in one model's parameter space: {@link LanguageModel#flatSize()} elements of the model's dtype on its
 * device, laid out as the model's flat buffers. Confined to the thread that made it; close it before its model. All
 * vectors of one operation must belong to models of one shape, dtype and device ({@link EngineException} otherwise).
 */
public final class ParameterVector implements AutoCloseable {
    private final Arena arena;
    private final NativeCalls calls;
    private final MemorySegment handle;
    private final SiteMask mask;
    private final MemorySegment number; // one double out
    private final Staging staging;
    private final long size;

    ParameterVector(MemorySegment model, List<Site> sites, long size) {
        this.size = size;
        arena = Arena.ofConfined();
        try {
            calls = new NativeCalls(arena);
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            calls.done("create vector", LetheNative.lethe_vector_create(model, out, calls.begin()));
            handle = out.get(ValueLayout.ADDRESS, 0).reinterpret(arena, LetheNative::lethe_vector_destroy);
            mask = new SiteMask(arena, sites);
            number = arena.allocate(ValueLayout.JAVA_DOUBLE);
            staging = new Staging(arena);
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    MemorySegment handle() {
        return handle;
    }

    /** P, elements; those between tensors are zero. */
    public long size() {
        return size;
    }

    /** this *= factor; 0 clears, NaN and infinities too. */
    public void scale(double factor) {
        calls.done("scale", LetheNative.lethe_vector_scale(handle, factor, calls.begin()));
    }

    /** this += a x. */
    public void axpy(double a, ParameterVector x) {
        calls.done("axpy", LetheNative.lethe_vector_axpy(handle, a, x.handle, calls.begin()));
    }

    /** Inner product, summed in fp64 in a fixed order. */
    public double dot(ParameterVector other) {
        return dot(other, null);
    }

    /** Inner product over the tensors of some sites; null = all. */
    public double dot(ParameterVector other, SiteSet sites) {
        calls.done("vector dot", LetheNative.lethe_vector_dot(handle, other.handle, mask.of(sites), number,
                calls.begin()));
        return number.get(ValueLayout.JAVA_DOUBLE, 0);
    }

    /** L2 norm. */
    public double norm() {
        return Math.sqrt(dot(this, null));
    }

    /** {@code count} elements from flat position {@code offset}, as floats. */
    public float[] readFloats(long offset, int count) {
        Memory.range("read vector", offset, count, size);
        return staging.readFloats(this::read, offset, count);
    }

    /** {@code count} elements from flat position {@code offset}, as doubles. */
    public double[] readDoubles(long offset, int count) {
        Memory.range("read vector", offset, count, size);
        return staging.readDoubles(this::read, offset, count);
    }

    /** Overwrites elements from flat position {@code offset} on. */
    public void writeFloats(long offset, float[] values) {
        Memory.range("write vector", offset, values.length, size);
        staging.writeFloats(this::write, offset, values);
    }

    /** Overwrites elements from flat position {@code offset} on. */
    public void writeDoubles(long offset, double[] values) {
        Memory.range("write vector", offset, values.length, size);
        staging.writeDoubles(this::write, offset, values);
    }

    /** Copies elements out; {@code out} is native, writable and at least {@code count * dtype.bytes()} long. */
    public void read(long offset, long count, Dtype dtype, MemorySegment out) {
        Objects.requireNonNull(dtype, "dtype");
        Memory.range("read vector", offset, count, size);
        Memory.destination("read vector", out, count * dtype.bytes());
        calls.done("read vector", LetheNative.lethe_vector_read(handle, offset, count, dtype.code(), out,
                out.byteSize(), calls.begin()));
    }

    /** Copies elements in; {@code in} is native and at least {@code count * dtype.bytes()} long. */
    public void write(long offset, long count, Dtype dtype, MemorySegment in) {
        Objects.requireNonNull(dtype, "dtype");
        Memory.range("write vector", offset, count, size);
        Memory.source("write vector", in, count * dtype.bytes());
        calls.done("write vector", LetheNative.lethe_vector_write(handle, offset, count, dtype.code(), in,
                in.byteSize(), calls.begin()));
    }

    void load(MemorySegment model, Buffer buffer) {
        calls.done("load vector", LetheNative.lethe_vector_load(handle, model, buffer.code(), calls.begin()));
    }

    void store(MemorySegment model, Buffer buffer) {
        calls.done("store vector", LetheNative.lethe_vector_store(handle, model, buffer.code(), calls.begin()));
    }

    /** Frees the native memory; closing again does nothing. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
