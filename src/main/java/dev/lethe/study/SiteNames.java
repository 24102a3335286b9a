package dev.lethe.study;

import dev.lethe.engine.ModelShape;
import dev.lethe.engine.Site;
import dev.lethe.engine.SiteSelector;
import dev.lethe.engine.SiteSet;
import java.util.ArrayList;
import java.util.List;

/** The sites a model of a shape will have, in its order, so that a selector can be checked before there is a model. */
final class SiteNames {
    private SiteNames() { }

    static List<Site> of(ModelShape shape) {
        long c = shape.channels();
        List<Site> sites = new ArrayList<>();
        add(sites, "wte", Site.Kind.EMBEDDING, shape.vocabulary(), c);
        add(sites, "wpe", Site.Kind.POSITION, shape.context(), c);
        for (int layer = 0; layer < shape.layers(); layer++) {
            String block = "h." + layer + ".";
            add(sites, block + "ln_1", Site.Kind.NORM, c, c);
            add(sites, block + "attn.c_attn", Site.Kind.LINEAR, c, 3 * c);
            add(sites, block + "attn.c_proj", Site.Kind.LINEAR, c, c);
            add(sites, block + "ln_2", Site.Kind.NORM, c, c);
            add(sites, block + "mlp.c_fc", Site.Kind.LINEAR, c, shape.inner());
            add(sites, block + "mlp.c_proj", Site.Kind.LINEAR, shape.inner(), c);
        }
        add(sites, "ln_f", Site.Kind.NORM, c, c);
        add(sites, "lm_head", Site.Kind.HEAD, c, shape.vocabulary());
        return sites;
    }

    /** What a selector means in a model of this shape, or null when the shape is not known: then only its form counts. */
    static SiteSet select(String selector, ModelShape shape) {
        SiteSelector parsed = SiteSelector.parse(selector);
        return shape == null ? null : parsed.select(of(shape));
    }

    private static void add(List<Site> sites, String name, Site.Kind kind, long inputs, long outputs) {
        sites.add(new Site(sites.size(), name, kind, inputs, outputs));
    }
}
