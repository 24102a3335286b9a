package dev.lethe.base;

import gg.jte.html.HtmlTemplateOutput;
import gg.jte.html.OwaspHtmlTemplateOutput;
import gg.jte.output.StringOutput;
import java.util.function.Consumer;

/**
 * Pages from the templates in src/main/jte, which the build makes classes of ({@code dev.lethe.html}), so that nothing is read or
 * compiled when a page is written. The engine escapes every text for the place where it stands.
 */
public final class Html {
    private Html() { }

    /** The page; what neither HTML nor XML can hold stands in it as a replacement character. @param template writes itself */
    public static String page(Consumer<HtmlTemplateOutput> template) {
        StringOutput page = new StringOutput();
        template.accept(new OwaspHtmlTemplateOutput(page));
        return page.toString().replaceAll("[\\p{Cntrl}\ufffe\uffff&&[^\\t\\n\\r]]", "\ufffd");
    }
}
