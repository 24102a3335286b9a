package dev.lethe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Executable;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The layers are those of ARCHITECTURE.md. A package may use every package to its right and none beside it. Read from the sources,
 * fully qualified names included; LetheException alone of the root, the door, is everybody's. A MemorySegment in a public signature outside engine, natives and ledger is found by reflection.
 */
class PackageArrowsTest {
    private static final Path SOURCES = Path.of(System.getProperty("lethe.root", "."), "src/main/java/dev/lethe");
    /** Higher may use lower; equal ranks may not use each other. */
    private static final Map<String, Integer> RANK = Map.ofEntries(
            Map.entry("cli", 22), Map.entry("experiment", 21), Map.entry("prove", 19), Map.entry("sweep", 19),
            Map.entry("console", 18), Map.entry("page", 18), Map.entry("spec", 17), Map.entry("report", 16),
            Map.entry("chart", 15), Map.entry("proof", 14), Map.entry("erase", 13), Map.entry("strategy", 12),
            Map.entry("objective", 11), Map.entry("train", 10), Map.entry("eval", 9), Map.entry("influence", 9),
            Map.entry("run", 8), Map.entry("results", 7), Map.entry("find", 6), Map.entry("model", 6),
            Map.entry("text", 5), Map.entry("settings", 4), Map.entry("ledger", 4), Map.entry("metric", 4),
            Map.entry("data", 4), Map.entry("engine", 3), Map.entry("template", 3),
            Map.entry("natives", 2), Map.entry("shape", 2), Map.entry("base", 1), Map.entry("", 20),
            Map.entry("bindings", 0));
    private static final Set<String> SEES_MEMORY = Set.of("engine", "ledger", "natives");
    private static final Set<String> SEES_BINDINGS = Set.of("engine", "shape", "natives");
    private static final Pattern NAME_OF_PAGE = Pattern.compile("dev\\.lethe\\.html\\.Jte(\\w+)Generated");
    private static final Set<String> DOOR = Set.of("Lethe", "Job", "Run", "Telling");
    private static final Pattern NAME = Pattern.compile("\\bdev\\.lethe\\.(\\w+)");

    @Test
    void noArrowRunsUpwardOrSideways() throws IOException {
        List<String> wrong = new ArrayList<>();
        for (Path file : sources()) {
            String from = packageOf(file);
            int line = 0;
            for (String text : Files.readAllLines(file)) {
                line++;
                String code = text.strip();
                if (code.startsWith("*") || code.startsWith("//") || code.startsWith("/*")) {
                    continue;
                }
                var name = NAME.matcher(code);
                while (name.find()) {
                    String to = DOOR.contains(name.group(1)) ? "" : name.group(1);
                    // Names such as "dev.lethe.Step" in a string are event and logger names, not packages.
                    if (RANK.containsKey(to) && !mayUse(from, to)) {
                        wrong.add(file.getFileName() + ":" + line + ": " + from + " uses " + to);
                    }
                }
            }
        }
        assertEquals(List.of(), wrong);
    }

    /** A template is its page's package's, what pages share is report's; their classes are used there alone. */
    @Test
    void templatesKnowNoMoreThanTheirPackage() throws IOException {
        Map<String, String> owners = Map.of("study", "page", "proof", "prove");
        List<String> wrong = new ArrayList<>();
        try (Stream<Path> templates = Files.list(SOURCES.resolve("../../../jte"))) {
            for (Path file : templates.toList()) {
                String owner = owners.getOrDefault(file.getFileName().toString().replace(".jte", ""), "report");
                NAME.matcher(Files.readString(file)).results().map(name -> name.group(1)).filter(to -> !mayUse(owner, to))
                        .forEach(to -> wrong.add(file.getFileName() + " uses " + to));
            }
        }
        for (Path file : sources()) {
            NAME_OF_PAGE.matcher(Files.readString(file)).results().map(name -> name.group(1))
                    .filter(page -> !owners.getOrDefault(page, "report").equals(packageOf(file)))
                    .forEach(page -> wrong.add(file.getFileName() + " writes " + page));
        }
        assertEquals(List.of(), wrong);
    }

    @Test
    void everyPackageHasARankAndSaysWhatItIsFor() throws IOException {
        try (Stream<Path> children = Files.list(SOURCES)) {
            for (Path child : children.filter(Files::isDirectory).toList()) {
                assertTrue(RANK.containsKey(child.getFileName().toString()), "no layer is known for " + child);
                assertTrue(Files.exists(child.resolve("package-info.java")),
                        "package-info.java is missing in " + child);
            }
        }
    }

    @Test
    void architectureTellsTheseLayers() throws IOException {
        String told = Files.readString(SOURCES.resolve("../../../../../ARCHITECTURE.md"));
        String chain = told.substring(told.indexOf("\ncli →"), told.indexOf("→ C ABI"));
        List<Set<String>> levels = Arrays.stream(chain.split("→")).map(level -> Set.of(level.strip().split(", "))).toList();
        Map<Integer, Set<String>> byRank = new TreeMap<>(Comparator.reverseOrder());
        RANK.forEach((name, rank) -> byRank.computeIfAbsent(rank, level -> new TreeSet<>()).add(name));
        byRank.values().forEach(level -> level.remove(""));
        byRank.values().removeIf(Set::isEmpty);
        assertEquals(List.copyOf(byRank.values()), levels);
    }

    @Test
    void memorySegmentsStayInEngineAndLedger() throws Exception {
        List<String> wrong = new ArrayList<>();
        for (Path file : sources()) {
            String from = packageOf(file);
            String type = file.getFileName().toString().replace(".java", "");
            if (!SEES_MEMORY.contains(from) && !type.equals("package-info")) {
                collect(Class.forName("dev.lethe." + (from.isEmpty() ? "" : from + ".") + type, false, getClass().getClassLoader()), wrong);
            }
        }
        assertEquals(List.of(), wrong);
    }

    private static void collect(Class<?> type, List<String> wrong) {
        if (!Modifier.isPublic(type.getModifiers())) {
            return;
        }
        Stream.of(type.getDeclaredMethods(), type.getDeclaredConstructors())
                .flatMap(Arrays::stream)
                .filter(member -> (member.getModifiers() & (Modifier.PUBLIC | Modifier.PROTECTED)) != 0)
                .filter(PackageArrowsTest::mentionsMemory)
                .forEach(member -> wrong.add(member.toString()));
        for (Class<?> nested : type.getDeclaredClasses()) {
            collect(nested, wrong);
        }
    }

    private static boolean mentionsMemory(Executable member) {
        Stream<Type> types = Arrays.stream(member.getGenericParameterTypes());
        if (member instanceof java.lang.reflect.Method method) {
            types = Stream.concat(types, Stream.of(method.getGenericReturnType()));
        }
        return types.anyMatch(type -> type.getTypeName().contains(MemorySegment.class.getName()));
    }

    private static boolean mayUse(String from, String to) {
        if (to.equals("bindings")) {
            return SEES_BINDINGS.contains(from);
        }
        return from.equals(to) || RANK.get(from) > RANK.get(to);
    }

    /** Empty for what lies in dev.lethe itself, which uses nothing. */
    private static String packageOf(Path file) {
        Path relative = SOURCES.relativize(file);
        return relative.getNameCount() == 1 ? "" : relative.getName(0).toString();
    }

    private static List<Path> sources() throws IOException {
        try (Stream<Path> files = Files.walk(SOURCES)) {
            return files.filter(file -> file.toString().endsWith(".java")).sorted().toList();
        }
    }
}
