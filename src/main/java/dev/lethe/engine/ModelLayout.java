package dev.lethe.engine;

import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.EngineException.Status;
import dev.lethe.base.Reason;
import dev.lethe.bindings.LetheNative;
import dev.lethe.bindings.lethe_layout;
import dev.lethe.bindings.lethe_site_info;
import dev.lethe.bindings.lethe_tensor_info;
import dev.lethe.natives.NativeLibrary;
import dev.lethe.shape.Dtype;
import dev.lethe.shape.ModelShape;
import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSelector;
import dev.lethe.shape.SiteSet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.Stream;

/**
 * Where everything lies in models of a shape, asked of the native side without making one.
 *
 * @param tensors    parameter tensors in the order of the flat buffer, which is a checkpoint's; of adapters each module's
 *                   lora_A.weight [rank, inputs] and lora_B.weight [outputs, rank], as peft has them
 * @param frozen     the base's tensors, each with its number for the native side; none without adapters
 * @param sites      [S] in the model's order: the tables, block by block, the final norm, the head
 * @param parameters trainable numbers; a tied table counts once
 * @param flatSize   P, elements of a flat buffer, with the zero gaps that align its tensors
 */
public record ModelLayout(List<TensorInfo> tensors, SequencedMap<TensorInfo, Integer> frozen, List<Site> sites,
                          long parameters, long flatSize) {
    public ModelLayout {
        tensors = List.copyOf(tensors);
        frozen = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(frozen));
        sites = List.copyOf(sites);
    }

    /** @throws BadInputException saying everything for which there can be no such model */
    public static ModelLayout of(ModelShape shape) {
        NativeLibrary.ensure();
        try (Arena arena = Arena.ofConfined()) {
            NativeCalls calls = new NativeCalls(arena);
            MemorySegment config = ModelConfig.of(arena, shape, Dtype.F32);
            MemorySegment layout = lethe_layout.allocate(arena);
            lethe_layout.struct_size(layout, lethe_layout.sizeof());
            try {
                calls.done("model layout", LetheNative.lethe_model_layout(config, layout, calls.begin()));
            } catch (EngineException e) {
                throw e.status() == Status.INVALID_ARGUMENT ? new BadInputException(Reason.of(e), e) : e;
            }

            long count = lethe_layout.tensors(layout);
            MemorySegment tensors = lethe_tensor_info.allocateArray(count, arena);
            tensors.elements(lethe_tensor_info.layout())
                    .forEach(info -> lethe_tensor_info.struct_size(info, lethe_tensor_info.sizeof()));
            calls.done("model tensors", LetheNative.lethe_model_tensors(config, tensors, count, calls.begin()));

            count = lethe_layout.sites(layout);
            MemorySegment sites = lethe_site_info.allocateArray(count, arena);
            sites.elements(lethe_site_info.layout())
                    .forEach(info -> lethe_site_info.struct_size(info, lethe_site_info.sizeof()));
            calls.done("model sites", LetheNative.lethe_model_sites(config, sites, count, calls.begin()));
            List<MemorySegment> infos = sites.elements(lethe_site_info.layout()).toList();
            List<TensorInfo> all = tensors.elements(lethe_tensor_info.layout()).map(ModelLayout::tensor).toList();
            SequencedMap<TensorInfo, Integer> frozen = new LinkedHashMap<>();
            all.stream().filter(TensorInfo::frozen).forEach(tensor -> frozen.put(tensor, all.indexOf(tensor)));
            return new ModelLayout(all.stream().filter(tensor -> !tensor.frozen()).toList(), frozen,
                    Stream.iterate(0, index -> index < infos.size(), index -> index + 1)
                            .map(index -> site(index, infos.get(index))).toList(),
                    lethe_layout.parameters(layout), lethe_layout.flat_size(layout));
        }
    }

    /** The sites that a {@link SiteSelector} text means in these models. */
    public SiteSet sites(String selector) {
        return SiteSelector.parse(selector).select(sites);
    }

    private static TensorInfo tensor(MemorySegment info) {
        return new TensorInfo(lethe_tensor_info.name(info).getString(0), lethe_tensor_info.offset(info),
                lethe_tensor_info.rows(info), lethe_tensor_info.columns(info), lethe_tensor_info.dimensions(info),
                lethe_tensor_info.site(info));
    }

    private static Site site(int index, MemorySegment info) {
        return new Site(index, lethe_site_info.name(info).getString(0), Site.Kind.of(lethe_site_info.kind(info)),
                Site.Role.of(lethe_site_info.role(info)), (int) lethe_site_info.block(info),
                lethe_site_info.inputs(info), lethe_site_info.outputs(info), lethe_site_info.frozen(info) != 0);
    }

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
}
