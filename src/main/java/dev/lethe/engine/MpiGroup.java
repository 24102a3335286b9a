/*
 * Ranks through MPI: liblethe_mpi.so, which lies beside liblethe.so where Lethe was built with an MPI. Says what to do where
 * there is none, or where the process was not started as a rank.
 */
package dev.lethe.engine;

import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.InterruptedWorkException;
import dev.lethe.base.Reason;
import dev.lethe.bindings.LetheNative;
import dev.lethe.engine.RankGroup.RankException;
import dev.lethe.natives.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** This process's place among those that mpirun or srun started. Once a process. */
public final class MpiGroup implements RankGroup {
    private static final String HOW = "; start the ranks by mpirun, or under SLURM by srun with PMIx (docs/scaling.md)";
    private static final String INSTALL = "; install Open MPI (Debian: apt install libopenmpi-dev openmpi-bin), then ./lethe build";

    private final OwnedMemory memory;
    private final OwnedMemory.CancelFlag cancel;
    private final OwnedMemory.Scratch scratch;
    private final NativeCalls calls;
    private final MemorySegment handle;
    private final int rank;
    private final int size;

    private MpiGroup(Path library) {
        NativeLibrary.ensure();
        memory = new OwnedMemory("the group of ranks", 0);
        try {
            cancel = new OwnedMemory.CancelFlag(memory);
            scratch = new OwnedMemory.Scratch(memory);
            calls = new NativeCalls(memory);
            try (Arena own = Arena.ofConfined()) {
                MemorySegment out = own.allocate(ValueLayout.ADDRESS);
                MemorySegment place = own.allocate(ValueLayout.JAVA_INT, 2);
                calls.done("join ranks", LetheNative.lethe_group_open(own.allocateFrom(library.toString()), out, place,
                        place.asSlice(Integer.BYTES), calls.begin()));
                handle = out.get(ValueLayout.ADDRESS, 0).reinterpret(memory.arena(), LetheNative::lethe_group_close);
                rank = place.getAtIndex(ValueLayout.JAVA_INT, 0);
                size = place.getAtIndex(ValueLayout.JAVA_INT, 1);
            }
        } catch (Throwable e) {
            memory.close();
            throw e;
        }
    }

    /** How many processes an mpirun says that it has started, this one among them; 1 where none does. SLURM says as much to a script. */
    public static int announced() {
        Launcher launcher = Launcher.of(System.getenv());
        return launcher == null || !launcher.certain() ? 1 : launcher.size();
    }

    /** Whether a launcher says that this process is not the first: the first speaks for all. */
    public static boolean follows() {
        Launcher launcher = Launcher.of(System.getenv());
        return launcher != null && launcher.rank() > 0;
    }

    /**
     * Joins the ranks that were started with this one.
     *
     * @throws BadInputException when no launcher of MPI's has started it, or there is no MPI here
     */
    public static MpiGroup join() {
        return join(System.getenv(), NativeLibrary.beside("lethe_mpi"));
    }

    /** @param library where liblethe_mpi.so is to be, null where nobody can know */
    static MpiGroup join(Map<String, String> environment, Path library) {
        Launcher launcher = Launcher.of(environment);
        if (launcher == null) {
            throw new BadInputException("ranks: no launcher has started this process as one of several" + HOW);
        }
        if (!launcher.starts()) {
            throw new BadInputException("ranks: " + launcher + ", as torchrun does; on hosts Lethe's ranks meet through MPI, which torchrun"
                    + " does not start" + HOW);
        }
        if (library == null || !Files.isRegularFile(library)) {
            throw new BadInputException("ranks: " + (library == null ? "the jars of Lethe hold no MPI, which is each machine's own:"
                    + " it needs a build from source" : library + " is not there, for Lethe was built where there was no MPI") + INSTALL);
        }
        MpiGroup group;
        try {
            group = new MpiGroup(library);
        } catch (EngineException e) {
            throw new BadInputException("ranks: " + Reason.of(e) + INSTALL, e);
        }
        if (group.size != launcher.size()) {
            group.close();
            throw new BadInputException("ranks: " + launcher + ", and MPI knows of " + group.size + ": the launcher is another MPI's, or"
                    + " starts none" + HOW);
        }
        return group;
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public void own() {
        memory.own();
    }

    @Override
    public void sum(ParameterVector vector) {
        MemorySegment values = vector.handle();
        told(() -> calls.done("sum over ranks", LetheNative.lethe_group_sum(handle, values, cancel.lowered(), calls.begin())));
    }

    @Override
    public byte[][] gather(byte[] own) {
        MemorySegment block = scratch.atLeast((size + 1L) * own.length);
        MemorySegment out = block.asSlice(own.length);
        MemorySegment.copy(own, 0, block, ValueLayout.JAVA_BYTE, 0, own.length);
        told(() -> calls.done("gather from ranks", LetheNative.lethe_group_gather(handle, block, own.length, out, cancel.lowered(),
                calls.begin())));
        byte[][] all = new byte[size][];
        for (int r = 0; r < size; r++) {
            all[r] = out.asSlice((long) r * own.length, own.length).toArray(ValueLayout.JAVA_BYTE);
        }
        return all;
    }

    private void told(Runnable call) {
        try {
            call.run();
        } catch (EngineException | InterruptedWorkException e) {
            throw RankException.lost("rank " + rank + " of " + size + ": another rank is lost, or did not answer in time ("
                    + Reason.of(e) + ")", e);
        }
    }

    @Override
    public void close() {
        memory.own(); // a job's thread may have it still
        memory.close();
    }
}
