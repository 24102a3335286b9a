package dev.lethe.engine;

import dev.lethe.shape.Block;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What the vectors of one model share: the handle that makes them, and where each tensor lies.
 *
 * @param owner the model's memory, which stays as long as a vector does
 * @param model native handle; refused once the model is closed
 */
record VectorSpace(OwnedMemory owner, MemorySegment model, ModelShape shape, Dtype dtype, ModelLayout layout) {

    @Override
    public MemorySegment model() {
        owner.check();
        return model;
    }

    /** Whether a tensor belongs to a selection; a tied table does through either of its sites, embedding or head. */
    boolean selects(SiteSet selection, ModelLayout.TensorInfo tensor) {
        List<Site> sites = layout.sites();
        boolean table = shape.tiedHead() && sites.get(tensor.site()).kind() == Site.Kind.EMBEDDING;
        return selection.contains(tensor.site()) || (table && selection.contains(sites.size() - 1));
    }

    /** The sites whose tensors a selection leaves out: none of them shares a tensor with it. */
    SiteSet others(SiteSet selection) {
        List<String> names = layout.tensors().stream().filter(tensor -> !selects(selection, tensor))
                .map(tensor -> layout.sites().get(tensor.site()).name()).distinct().toList();
        return SiteSet.of(layout.sites(), names);
    }

    /** The line by which a file of numbers says to which space they belong. */
    String describe() {
        return line(" heads=" + shape.heads(), " epsilon=" + shape.normEpsilon()) + (published() ? "" : " "
                + shape.block()) + (shape.hasAdapters() ? " adapters=" + adapters() : "");
    }

    /** Short for the list, of which a large model has hundreds. */
    private String adapters() {
        String all = shape.adapters().stream().map(one -> one.module() + ':' + one.rank() + ':' + one.scale())
                .collect(Collectors.joining(","));
        return shape.adapters().size() + ":" + Integer.toHexString(all.hashCode());
    }

    /** Whether a file's line is of this space; versions that knew GPT-2 alone left out what moves no tensor. */
    boolean isDescribedBy(String line) {
        return line.equals(describe()) || published() && !shape.hasAdapters() && line.equals(line("", ""));
    }

    private boolean published() {
        return shape.block().equals(Block.GPT2);
    }

    private String line(String heads, String epsilon) {
        return "V=" + shape.vocabulary() + " context=" + shape.context() + " C=" + shape.channels() + heads + " L="
                + shape.layers() + " inner=" + shape.inner() + epsilon + (shape.tiedHead() ? " tied" : " untied");
    }
}
