package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.xpath.XPath;
import javax.xml.xpath.XPathConstants;
import javax.xml.xpath.XPathFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

/** What is published says what Maven Central demands of it, and its parts name one another's versions. */
class PomTest {
    private static final Path ROOT = Path.of(System.getProperty("lethe.root", "."));
    private static final XPath XPATH = XPathFactory.newInstance().newXPath();

    @ParameterizedTest
    @ValueSource(strings = {"pom.xml", "setup/libtorch-cpu.pom"})
    void hasEveryElementThatMavenCentralDemands(String file) throws Exception {
        Document pom = pom(file);
        for (String path : List.of("groupId", "artifactId", "version", "packaging", "name", "description", "url",
                "licenses/license/name", "licenses/license/url", "developers/developer/name", "developers/developer/url",
                "scm/connection", "scm/url")) {
            assertFalse(text(pom, path).isBlank(), file + " lacks " + path);
        }
        assertEquals("dev.lethe", text(pom, "groupId"));
        assertTrue(text(pom, "version").matches("\\d+\\.\\d+\\.\\d+"), "a release has a SemVer version");
    }

    @Test
    void sourcesJavadocAndBillOfMaterialsAreMade() throws Exception {
        Document pom = pom("pom.xml");
        for (String goal : List.of("jar-no-fork", "jar", "makeBom", "install-file")) {
            assertFalse(all(pom, "profiles/profile[id='artefacts']//goals/goal[.='" + goal + "']").getLength() == 0, goal);
        }
    }

    @Test
    void everyPluginIsPinnedAndTheTimeIsFixed() throws Exception {
        Document pom = pom("pom.xml");
        NodeList loose = all(pom, "build/plugins/plugin[not(version)]");
        assertEquals(0, loose.getLength(), "plugins without a version");
        assertFalse(text(pom, "properties/project.build.outputTimestamp").isBlank());
    }

    @Test
    void libtorchIsOneVersionEverywhere() throws Exception {
        String version = text(pom("pom.xml"), "properties/lethe.libtorch.version");
        assertEquals(version, text(pom("setup/libtorch-cpu.pom"), "version"));
        assertTrue(Files.readString(ROOT.resolve("setup/libtorch.sh")).contains("TORCH_PINNED=" + version + "\n"));
        assertTrue(Files.readString(ROOT.resolve("docs/embedding.md")).contains("<version>" + version + "</version>"));
    }

    @Test
    void anEmbedderGetsNoCommandLineLibrary() throws Exception {
        assertEquals("true", text(pom("pom.xml"), "dependencies/dependency[artifactId='picocli']/optional"));
    }

    private static Document pom(String file) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(ROOT.resolve(file).toFile());
    }

    private static NodeList all(Document pom, String path) throws Exception {
        return (NodeList) XPATH.evaluate("/project/" + path, pom, XPathConstants.NODESET);
    }

    private static String text(Document pom, String path) throws Exception {
        NodeList found = all(pom, path);
        return found.getLength() == 0 ? "" : found.item(0).getTextContent().strip();
    }
}
