package dev.lethe.engine;

import dev.lethe.shape.Site;
import dev.lethe.shape.SiteSet;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** A reused native byte mask [S] of selected sites. */
final class SiteMask {
    private final OwnedMemory memory;
    private final List<Site> sites;
    private final MemorySegment mask;

    SiteMask(OwnedMemory memory, List<Site> sites) {
        this.memory = memory;
        this.sites = sites;
        this.mask = memory.arena().allocate(sites.size());
    }

    /** The mask filled for a selection; NULL, which means all, for null. */
    MemorySegment of(SiteSet selection) {
        memory.check();
        if (selection == null) {
            return MemorySegment.NULL;
        }
        if (!selection.belongsTo(sites)) {
            throw new IllegalArgumentException("the sites " + selection
                    + " were selected from a model of another shape");
        }
        for (int site = 0; site < sites.size(); site++) {
            mask.set(ValueLayout.JAVA_BYTE, site, (byte) (selection.contains(site) ? 1 : 0));
        }
        return mask;
    }
}
