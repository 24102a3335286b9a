/* What started this process as one of several, as its environment says: for messages, and to know before MPI is asked. */
package dev.lethe.engine;

import java.util.List;
import java.util.Map;

/**
 * A launcher's word.
 *
 * @param by     its variables
 * @param starts  whether it starts the ranks of an MPI
 * @param certain whether it has started this very process as one
 */
record Launcher(String by, int rank, int size, boolean starts, boolean certain) {
    private record Known(String rank, String size, boolean starts, boolean certain) { }

    private static final List<Known> ALL = List.of(
            new Known("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", true, true), // Open MPI's mpirun
            new Known("PMI_RANK", "PMI_SIZE", true, true),                         // MPICH's and Intel's, srun --mpi=pmi2
            new Known("SLURM_PROCID", "SLURM_NTASKS", true, false),                // srun, and sbatch's script itself
            new Known("RANK", "WORLD_SIZE", false, false));                        // torchrun

    /** Null where none has started it. */
    static Launcher of(Map<String, String> environment) {
        for (Known known : ALL) {
            try {
                int rank = Integer.parseInt(environment.getOrDefault(known.rank, ""));
                int size = Integer.parseInt(environment.getOrDefault(known.size, ""));
                if (rank >= 0 && rank < size) {
                    return new Launcher(known.rank + " and " + known.size, rank, size, known.starts, known.certain);
                }
            } catch (NumberFormatException e) {
                // not by this one
            }
        }
        return null;
    }

    @Override
    public String toString() {
        return by + " say rank " + rank + " of " + size;
    }
}
