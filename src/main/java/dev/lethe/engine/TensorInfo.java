package dev.lethe.engine;

/**
 * One parameter tensor in a model's flat buffers, row-major.
 *
 * @param name       a checkpoint's without the family's prefix: "h.0.attn.c_attn.weight", "layers.0.mlp.up_proj.weight"
 * @param offset     its first element in a flat buffer; -1 for a base's frozen tensor, which is in none
 * @param rows       rows of a matrix; 1 for a vector
 * @param columns    columns of a matrix, length of a vector
 * @param dimensions 1 or 2; weight decay applies to 2
 * @param site       index of the site that owns it (the token table for a tied head); a site may own several
 */
public record TensorInfo(String name, long offset, long rows, long columns, int dimensions, int site) {

    /** Whether it is a base's. */
    public boolean frozen() {
        return offset < 0;
    }

    /** Elements. */
    public long count() {
        return rows * columns;
    }

    /** {rows, columns} of a matrix, {length} of a vector. */
    public long[] shape() {
        return dimensions == 1 ? new long[] {columns} : new long[] {rows, columns};
    }
}
