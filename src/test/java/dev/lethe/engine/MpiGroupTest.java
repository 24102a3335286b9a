package dev.lethe.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.BadInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who started a process, and what is said where ranks cannot meet. A real MPI is MpiRanksTest's, extended. */
class MpiGroupTest {
    private static final Map<String, String> MPIRUN = Map.of("OMPI_COMM_WORLD_RANK", "1", "OMPI_COMM_WORLD_SIZE", "2");

    @TempDir
    Path folder;

    @Test
    void launchersAreKnownByTheirVariables() {
        assertNull(Launcher.of(Map.of()));
        assertNull(Launcher.of(Map.of("RANK", "0")), "half of them");
        assertNull(Launcher.of(Map.of("RANK", "2", "WORLD_SIZE", "2")), "out of range");
        assertNull(Launcher.of(Map.of("RANK", "captain", "WORLD_SIZE", "2")));
        assertEquals("OMPI_COMM_WORLD_RANK and OMPI_COMM_WORLD_SIZE say rank 1 of 2", Launcher.of(MPIRUN).toString());
        assertTrue(Launcher.of(MPIRUN).certain());
        Launcher slurm = Launcher.of(Map.of("SLURM_PROCID", "0", "SLURM_NTASKS", "4"));
        assertTrue(slurm.starts() && !slurm.certain() && slurm.size() == 4, "an sbatch script has them too");
    }

    @Test
    void saysWhatToDoWhereRanksCannotMeet() throws Exception {
        Path absent = folder.resolve("liblethe_mpi.so");
        assertEquals("ranks: no launcher has started this process as one of several; start the ranks by mpirun, or under SLURM by srun"
                + " with PMIx (docs/scaling.md)", refusal(Map.of(), absent));
        assertEquals("ranks: RANK and WORLD_SIZE say rank 0 of 2, as torchrun does; on hosts Lethe's ranks meet through MPI, which torchrun"
                + " does not start; start the ranks by mpirun, or under SLURM by srun with PMIx (docs/scaling.md)",
                refusal(Map.of("RANK", "0", "WORLD_SIZE", "2"), absent));
        assertEquals("ranks: " + absent + " is not there, for Lethe was built where there was no MPI; install Open MPI (Debian: apt install"
                + " libopenmpi-dev openmpi-bin), then ./lethe build", refusal(MPIRUN, absent));
        assertTrue(refusal(MPIRUN, null).startsWith("ranks: the jars of Lethe hold no MPI"));
        Files.writeString(absent, "no library");
        String broken = refusal(MPIRUN, absent);
        assertTrue(broken.startsWith("ranks: join ranks: " + absent + ": ") && broken.contains("; install Open MPI"), broken);
    }

    private static String refusal(Map<String, String> environment, Path library) {
        return assertThrows(BadInputException.class, () -> MpiGroup.join(environment, library)).getMessage();
    }

    @Test
    void oneProcessIsAGroupOfItsOwn() {
        assertEquals(1, RankGroup.ALONE.size());
        assertArrayEquals(new byte[] {3}, RankGroup.ALONE.gather(new byte[] {3})[0]);
    }
}
