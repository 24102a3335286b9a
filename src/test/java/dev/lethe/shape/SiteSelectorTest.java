package dev.lethe.shape;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.engine.ModelLayout;
import dev.lethe.shape.Site.Role;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SiteSelectorTest {
    private static final List<Site> SITES = sites(12);

    @Test
    void embeddingIsTheWholeTiedTable() {
        assertEquals(List.of("wte", "lm_head"), select("embedding").names());
        assertEquals(List.of("wte"), select("embedding-input").names());
        assertEquals(List.of("lm_head"), select("head").names());
    }

    @Test
    void allIsAll() {
        assertEquals(SITES.size(), select("all").size());
        assertEquals(SiteSet.all(SITES), select("all"));
    }

    @Test
    void blocksCountFromZeroAndTakeListsAndRanges() {
        assertEquals(12, select("block:10,11").size());
        assertEquals(select("h.0.*,h.1.*"), select("block:0-1"));
        assertEquals(select("h.1.*"), select("block:1"), "h.1 is not h.10");
        assertEquals(select("h.1.*, h.3.*, wte"), select("block:1,3, wte"));
    }

    @Test
    void groupsGlobsAndNamesAddUp() {
        assertEquals(24, select("attention").size());
        assertEquals(select("h.*.mlp.c_fc,h.*.mlp.c_proj"), select("mlp"));
        assertEquals(select("h.*.mlp.c_proj"), select("mlp-output"));
        assertEquals(List.of("wpe", "h.3.mlp.c_fc"), select("h.3.mlp.c_fc,wpe").names());
        assertEquals(List.of("h.0.attn.c_proj", "h.0.mlp.c_proj"), select("h.0.*c_proj").names());
    }

    @Test
    void setsKnowTheirModel() {
        SiteSet mlp = select("mlp");
        assertTrue(select("all").containsAll(mlp));
        assertFalse(mlp.containsAll(select("all")));
        assertFalse(select("all").containsAll(SiteSelector.parse("mlp").select(sites(2))), "of another model");
        assertEquals(mlp, SiteSet.of(SITES, mlp.names()));
        assertTrue(SiteSet.of(SITES, List.of()).isEmpty());
        assertEquals("{wte, lm_head}", select("embedding").toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            wtf       | site selector 'wtf': no site matches 'wtf'; the model has %s
            h.12.*    | site selector 'h.12.*': no site matches 'h.12.*'; the model has %s
            block:12  | site selector 'block:12': 'block:12' names block 12; the model has blocks 0 to 11
            block:1,40 | site selector 'block:1,40': '40' names block 40; the model has blocks 0 to 11
            """)
    void unknownTermsListTheSites(String text, String message) {
        SiteSelector selector = SiteSelector.parse(text);
        var e = assertThrows(IllegalArgumentException.class, () -> selector.select(SITES));
        assertEquals(message.formatted("wte, wpe, h.N.ln_1, h.N.attn.c_attn, h.N.attn.c_proj, h.N.ln_2, h.N.mlp.c_fc, "
                + "h.N.mlp.c_proj, ln_f, lm_head (N = 0 to 11)"), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            block:x   | site selector 'block:x': 'block:x' is not a block list; use block:N, block:N,M or block:N-M
            block:3-1 | site selector 'block:3-1': range 3-1 runs backwards
            """)
    void malformedTextIsRefused(String text, String message) {
        refuses(message, text);
    }

    @Test
    void emptyTermsAreRefused() {
        for (String text : List.of("", "wte,", " , wte")) {
            refuses("site selector '" + text + "': empty term; use embedding, all, attention, mlp, block:N, a site's "
                    + "name or a glob, separated by commas", text);
        }
    }

    @Test
    void ofAnAdapterAllIsWhatIsTrained() {
        List<Site> sites = new ArrayList<>();
        for (Site site : SITES) {
            sites.add(new Site(sites.size(), site.name(), site.kind(), site.role(), site.block(), 8, 8, true));
            for (String part : site.role() == Role.ATTENTION_INPUT ? List.of(".lora_A", ".lora_B") : List.<String>of()) {
                sites.add(new Site(sites.size(), site.name() + part, site.kind(), site.role(), site.block(), 8, 8, false));
            }
        }
        List<String> adapted = sites.stream().map(Site::name).filter(name -> name.contains(".lora_")).toList();
        for (String text : List.of("all", "attention", "h.*", "block:0-11", "*.c_attn", "*.lora_A,*.lora_B")) {
            assertEquals(adapted, SiteSelector.parse(text).select(sites).names(), text);
        }
        assertEquals(adapted, SiteSet.all(sites).names());
        assertEquals(List.of("h.1.attn.c_attn.lora_A", "h.1.attn.c_attn.lora_B"),
                SiteSelector.parse("h.1.attn.c_attn").select(sites).names());
        for (String text : List.of("embedding", "mlp", "wte", "h.3.mlp.c_fc")) {
            var e = assertThrows(IllegalArgumentException.class, () -> SiteSelector.parse(text).select(sites));
            assertTrue(e.getMessage().startsWith("site selector '" + text + "': '" + text + "' is of the frozen base ("));
            assertTrue(e.getMessage().endsWith("); trained are the adapters on h.N.attn.c_attn.lora_A, h.N.attn.c_attn.lora_B (N = 0 to 11)"), e.getMessage());
        }
        assertThrows(IllegalArgumentException.class, () -> SiteSet.of(sites, List.of("wte")));
    }

    @Test
    void namesOfAnotherModelAreNamed() {
        var e = assertThrows(IllegalArgumentException.class,
                () -> SiteSet.of(sites(1), List.of("h.1.ln_1", "wte", "h.0.attn")));
        assertTrue(e.getMessage().startsWith("the model has no site h.0.attn, h.1.ln_1; it has wte, wpe, h.N.ln_1, "));
    }

    private static void refuses(String message, String text) {
        var e = assertThrows(IllegalArgumentException.class, () -> SiteSelector.parse(text));
        assertEquals(message, e.getMessage());
    }

    private static SiteSet select(String text) {
        return SiteSelector.parse(text).select(SITES);
    }

    private static List<Site> sites(int layers) {
        List<Site> sites = new ArrayList<>();
        add(sites, "wte", Site.Kind.EMBEDDING, Role.EMBEDDING, -1);
        add(sites, "wpe", Site.Kind.POSITION, Role.POSITION, -1);
        for (int layer = 0; layer < layers; layer++) {
            String block = "h." + layer + ".";
            add(sites, block + "ln_1", Site.Kind.NORM, Role.NORM, layer);
            add(sites, block + "attn.c_attn", Site.Kind.LINEAR, Role.ATTENTION_INPUT, layer);
            add(sites, block + "attn.c_proj", Site.Kind.LINEAR, Role.ATTENTION_OUTPUT, layer);
            add(sites, block + "ln_2", Site.Kind.NORM, Role.NORM, layer);
            add(sites, block + "mlp.c_fc", Site.Kind.LINEAR, Role.MLP_INPUT, layer);
            add(sites, block + "mlp.c_proj", Site.Kind.LINEAR, Role.MLP_OUTPUT, layer);
        }
        add(sites, "ln_f", Site.Kind.NORM, Role.NORM, -1);
        add(sites, "lm_head", Site.Kind.HEAD, Role.HEAD, -1);
        return sites;
    }

    private static void add(List<Site> sites, String name, Site.Kind kind, Role role, int block) {
        sites.add(new Site(sites.size(), name, kind, role, block, 8, 8, false));
    }

    /** Words ask for roles and blocks: they mean the same where a checkpoint has other names. */
    @Test
    void wordsDoNotDependOnNames() {
        List<Site> other = SITES.stream().map(site -> new Site(site.index(), site.block() < 0 ? "site" + site.index()
                : "model.layers." + site.block() + ".site" + site.index() % 6, site.kind(), site.role(), site.block(),
                8, 8, false)).toList();
        for (String words : List.of("all", "embedding", "embedding-input", "head", "attention", "mlp", "mlp-output",
                "block:0-3,11", "mlp,block:2,head")) {
            SiteSet expected = select(words);
            assertEquals(expected.sites().stream().map(Site::index).toList(),
                    SiteSelector.parse(words).select(other).sites().stream().map(Site::index).toList(), words);
        }
        var e = assertThrows(IllegalArgumentException.class, () -> SiteSelector.parse("wte").select(other));
        assertEquals("site selector 'wte': no site matches 'wte'; the model has site0, site1, model.layers.N.site2, "
                + "model.layers.N.site3, model.layers.N.site4, model.layers.N.site5, model.layers.N.site0, "
                + "model.layers.N.site1, site74, site75 (N = 0 to 11)", e.getMessage());
    }

    @Test
    void theHandMadeSitesAreTheEngines() {
        List<Site> asked = ModelLayout.of(new ModelShape(8, 8, 8, 2, 12, 8, 1e-5, true)).sites();
        assertEquals(SITES.stream().map(site -> List.of(site.name(), site.kind(), site.role(), site.block())).toList(),
                asked.stream().map(site -> List.of(site.name(), site.kind(), site.role(), site.block())).toList());
    }
}
