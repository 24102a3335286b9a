package dev.lethe.engine;

import dev.lethe.base.EngineException;
import dev.lethe.bindings.LetheNative;
import dev.lethe.engine.ModelLayout.TensorInfo;
import dev.lethe.engine.OwnedMemory.SiteMask;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.SiteSet;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.WritableByteChannel;
import java.util.List;
import java.util.Objects;

/**
 * A vector in one model's parameter space: {@link LanguageModel#flatSize()} elements of the model's dtype on its device. A
 * free one is of the thread that made it, as its model; close it before that. One of a model's own buffers
 * ({@link LanguageModel#buffer}) is the model: what changes it the model's next call sees, and the model closes it. All
 * vectors of one operation must belong to models of one shape, dtype and device ({@link EngineException} otherwise).
 */
public final class ParameterVector implements AutoCloseable {
    private final OwnedMemory memory;
    private final NativeCalls calls;
    private final MemorySegment handle;
    private final SiteMask mask;
    private final MemorySegment number; // one double out
    private final Staging staging;
    private final VectorSpace space;
    private final long size;
    private final boolean borrowed;
    private final String reading; // in messages
    private final String writing;

    /** A free one, zeros. */
    ParameterVector(VectorSpace space) {
        this(space, null);
    }

    /** A model's buffer; null makes a free vector of zeros. */
    ParameterVector(VectorSpace space, Buffer buffer) {
        this.space = space;
        size = space.layout().flatSize();
        borrowed = buffer != null;
        String name = borrowed ? buffer.name() : "vector";
        reading = "read " + name;
        writing = "write " + name;
        memory = borrowed ? space.owner() : new OwnedMemory("the vector", space.owner().threads());
        try {
            calls = new NativeCalls(memory);
            MemorySegment out = memory.arena().allocate(ValueLayout.ADDRESS);
            if (borrowed) {
                calls.done("borrow vector", LetheNative.lethe_model_vector(space.model(), buffer.code(), out, calls.begin()));
                handle = out.get(ValueLayout.ADDRESS, 0);
            } else {
                calls.done("create vector", LetheNative.lethe_vector_create(space.model(), out, calls.begin()));
                handle = out.get(ValueLayout.ADDRESS, 0).reinterpret(memory.arena(), LetheNative::lethe_vector_destroy);
            }
            mask = new SiteMask(memory, space.layout().sites());
            number = memory.arena().allocate(ValueLayout.JAVA_DOUBLE);
            staging = new Staging(memory);
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    /** The handle, refused on another thread and after close. */
    MemorySegment handle() {
        memory.check();
        return handle;
    }

    /** P, elements; those between tensors are zero. */
    public long size() {
        return size;
    }

    /** The type of its elements: the model's. */
    public Dtype dtype() {
        return space.dtype();
    }

    /** A new vector of zeros in the same space. Its model must still be open. */
    public ParameterVector zeros() {
        return new ParameterVector(space);
    }

    /** A new vector with this one's elements. */
    public ParameterVector copy() {
        ParameterVector copy = zeros();
        try {
            copy.assign(this);
            return copy;
        } catch (Throwable e) {
            copy.close();
            throw e;
        }
    }

    // ---- arithmetic -------------------------------------------------------------------------------------------

    /** this = b this + a x in one pass; a factor of 0 does not read what it multiplies, so NaN does not spread. */
    public void combine(double b, double a, ParameterVector x) {
        combine(b, a, x, null);
    }

    private void combine(double b, double a, ParameterVector x, SiteSet sites) {
        calls.done("combine", LetheNative.lethe_vector_combine(handle, b, a, x.handle(), mask.of(sites), calls.begin()));
    }

    /** this *= factor; 0 clears, NaN and infinities too. */
    public void scale(double factor) {
        scale(factor, null);
    }

    /** this *= factor on the tensors of some sites; null = all. A tied table belongs to embedding and head. */
    public void scale(double factor, SiteSet sites) {
        calls.done("scale", LetheNative.lethe_vector_combine(handle, factor, 0, MemorySegment.NULL, mask.of(sites),
                calls.begin()));
    }

    /** this += a x. */
    public void axpy(double a, ParameterVector x) {
        combine(1, a, x);
    }

    /** this += a x on the tensors of some sites; null = all. On a model's parameters a positive a along a gradient is ascent. */
    public void axpy(double a, ParameterVector x, SiteSet sites) {
        combine(1, a, x, sites);
    }

    /** this = x. */
    public void assign(ParameterVector x) {
        combine(0, 1, x);
    }

    /** this = b this + a x², element by element: a running second moment of gradients x. With b = 0 it is not read. */
    public void addSquare(double b, double a, ParameterVector x) {
        calls.done("add square", LetheNative.lethe_vector_add_square(handle, b, a, x.handle(), calls.begin()));
    }

    /**
     * this /= sqrt(v) + floor, element by element, on the tensors of some sites; null = all. Adam's preconditioner
     * (Kingma and Ba 2015, arXiv 1412.6980) when v is a second moment.
     *
     * @param v     nowhere negative
     * @param floor above 0
     */
    public void divideByRoot(ParameterVector v, double floor, SiteSet sites) {
        calls.done("divide by root", LetheNative.lethe_vector_divide_root(handle, v.handle(), floor, mask.of(sites),
                calls.begin()));
    }

    /** Zeroes every tensor that belongs to none of these sites. */
    public void keep(SiteSet sites) {
        SiteSet others = space.others(sites);
        if (!others.isEmpty()) {
            scale(0, others);
        }
    }

    /** Draws every parameter by its place and the seed alone: the same on every machine and thread count. */
    public void random(Distribution distribution, long seed) {
        calls.done("random vector", LetheNative.lethe_vector_random(handle, distribution.code(), seed, calls.begin()));
    }

    /** Inner product, summed in fp64 in a fixed order. */
    public double dot(ParameterVector other) {
        return dot(other, null);
    }

    /** Inner product over the tensors of some sites; null = all. */
    public double dot(ParameterVector other, SiteSet sites) {
        calls.done("vector dot", LetheNative.lethe_vector_dot(handle, other.handle(), mask.of(sites), number,
                calls.begin()));
        return number.get(ValueLayout.JAVA_DOUBLE, 0);
    }

    /** L2 norm. */
    public double norm() {
        return Math.sqrt(dot(this, null));
    }

    // ---- in and out -------------------------------------------------------------------------------------------

    /** The tensors of some sites one after the other, in the order of the flat buffer, without the gaps. */
    public double[] readDoubles(SiteSet sites) {
        List<TensorInfo> chosen = space.layout().tensors().stream().filter(tensor -> space.selects(sites, tensor)).toList();
        double[] all = new double[Math.toIntExact(chosen.stream().mapToLong(TensorInfo::count).sum())];
        int at = 0;
        for (TensorInfo tensor : chosen) {
            double[] part = readDoubles(tensor.offset(), (int) tensor.count());
            System.arraycopy(part, 0, all, at, part.length);
            at += part.length;
        }
        return all;
    }

    /** {@code count} elements from flat position {@code offset}, as floats. */
    public float[] readFloats(long offset, int count) {
        Memory.range(reading, offset, count, size);
        return staging.readFloats(this::read, offset, count);
    }

    /** {@code count} elements from flat position {@code offset}, as doubles. */
    public double[] readDoubles(long offset, int count) {
        Memory.range(reading, offset, count, size);
        return staging.readDoubles(this::read, offset, count);
    }

    /** Overwrites elements from flat position {@code offset} on. */
    public void writeFloats(long offset, float[] values) {
        Memory.range(writing, offset, values.length, size);
        staging.writeFloats(this::write, offset, values);
    }

    /** Overwrites elements from flat position {@code offset} on. */
    public void writeDoubles(long offset, double[] values) {
        Memory.range(writing, offset, values.length, size);
        staging.writeDoubles(this::write, offset, values);
    }

    /** Copies elements out; {@code out} is native, writable and at least {@code count * dtype.bytes()} long. */
    public void read(long offset, long count, Dtype dtype, MemorySegment out) {
        Objects.requireNonNull(dtype, "dtype");
        Memory.range(reading, offset, count, size);
        Memory.destination(reading, out, count * dtype.bytes());
        calls.done(reading, LetheNative.lethe_vector_read(handle, offset, count, dtype.code(), out,
                out.byteSize(), calls.begin()));
    }

    /** Copies elements in; {@code in} is native and at least {@code count * dtype.bytes()} long. */
    public void write(long offset, long count, Dtype dtype, MemorySegment in) {
        Objects.requireNonNull(dtype, "dtype");
        Memory.range(writing, offset, count, size);
        Memory.source(writing, in, count * dtype.bytes());
        calls.done(writing, LetheNative.lethe_vector_write(handle, offset, count, dtype.code(), in,
                in.byteSize(), calls.begin()));
    }

    /** Fills a tensor from {@code count()} row-major elements of a file, copied once. */
    public void load(TensorInfo tensor, Dtype source, MappedFile file, long fileOffset) {
        MemorySegment from = file.read(fileOffset, tensor.count() * source.bytes());
        staging.load(this::write, tensor.offset(), tensor.count(), source, from);
    }

    /** Writes a tensor's elements, little-endian, row-major. */
    public void store(TensorInfo tensor, Dtype target, WritableByteChannel channel) throws IOException {
        staging.store(this::read, tensor.offset(), tensor.count(), target, channel);
    }

    /** Writes all P elements in the vector's dtype and nothing else: what {@link #restore} reads. */
    public void store(WritableByteChannel channel) throws IOException {
        staging.store(this::read, 0, size, space.dtype(), channel);
    }

    /** Reads back what {@link #store(WritableByteChannel)} wrote, from byte {@code offset} of the file. */
    public void restore(MappedFile file, long offset) {
        staging.load(this::write, 0, size, space.dtype(), file.read(offset, size * space.dtype().bytes()));
    }

    /** Frees a free vector's native memory; closing again does nothing. A model's own buffer stays until the model closes. */
    @Override
    public void close() {
        if (!borrowed) {
            memory.close();
        }
    }

    /** What a random vector's elements are drawn from; all are independent, of mean 0 and variance 1. */
    public enum Distribution {
        /** +1 or -1: the least variance in a Hutchinson estimate. */
        RADEMACHER(LetheNative.LETHE_RADEMACHER()),
        /** The standard normal. */
        NORMAL(LetheNative.LETHE_NORMAL());

        private final int code;

        Distribution(int code) {
            this.code = code;
        }

        int code() {
            return code;
        }
    }
}
