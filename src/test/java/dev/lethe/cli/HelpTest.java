package dev.lethe.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lethe.base.Settings;
import dev.lethe.base.Settings.Setting;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.settings.Strategy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;

/** Every command's help is a screen, and every setting that is listed can be set. */
class HelpTest {
    private static final int HEIGHT = 50;
    private static final int WIDTH = 80;
    private static final int OPTIONS = 18;

    static List<CommandLine> commands() {
        List<CommandLine> all = new ArrayList<>();
        collect(Main.line(new Terminal(System.out, System.err, () -> 0)), all);
        return all;
    }

    private static void collect(CommandLine line, List<CommandLine> all) {
        all.add(line);
        line.getSubcommands().values().forEach(sub -> collect(sub, all));
    }

    /** Those that have settings, with them. */
    static Stream<CommandLine> withSettings() {
        return commands().stream().filter(line -> options(line) != null);
    }

    private static SettingOptions options(CommandLine line) {
        return SettingOptions.of(line.getCommandSpec()).orElse(null);
    }

    /** A command line that is complete, and so far right. */
    private static Object[] complete(CommandLine line, Object... more) {
        List<Object> all = new ArrayList<>(List.of(words(line, more)));
        line.getCommandSpec().positionalParameters().stream().filter(place -> place.required()).forEach(_ -> all.add("nowhere"));
        line.getCommandSpec().options().stream().filter(option -> option.required()).forEach(option -> all.addAll(List.of(option.longestName(), "nowhere")));
        return all.toArray();
    }

    private static Object[] words(CommandLine line, Object... more) {
        return Stream.concat(Arrays.stream(line.getCommandSpec().qualifiedName().split(" ")).skip(1),
                Arrays.stream(more)).toArray();
    }

    @ParameterizedTest
    @MethodSource("commands")
    void helpIsAScreen(CommandLine line) {
        String help = Shell.run(words(line, "--help")).out();
        assertTrue(help.contains("Usage: " + line.getCommandSpec().qualifiedName()), help);
        assertTrue(help.lines().count() <= HEIGHT, help.lines().count() + " lines:\n" + help);
        assertTrue(help.lines().allMatch(text -> text.length() <= WIDTH), help);
        assertTrue(line.getCommandSpec().options().size() <= OPTIONS,
                () -> line.getCommandSpec().options().size() + " options");
        assertFalse(help.contains("\033"), "control codes");
    }

    @ParameterizedTest
    @MethodSource("withSettings")
    void everySettingIsListedAndHasItsDefault(CommandLine line) {
        JsonNode listed = Shell.run(Stream.concat(Stream.of("settings"), Stream.of(words(line, "--json",
                "-"))).toArray()).json()
                .get("settings");
        List<Setting> known = options(line).known(Map.of()).list();
        assertEquals(known.stream().map(Setting::name).toList(),
                listed.valueStream().map(one -> one.get("name").asString()).toList());
        String text = Shell.run(Stream.concat(Stream.of("settings"), Stream.of(words(line))).toArray()).out();
        assertTrue(text.lines().allMatch(row -> row.length() <= WIDTH), text);
        for (Setting setting : known) {
            assertTrue(text.contains("  " + setting.name()), setting.name());
            assertFalse(setting.says().endsWith("."), setting.name());
        }
    }

    @ParameterizedTest
    @MethodSource("withSettings")
    void everySettingCanBeSetAndABadNameOrValueIsRefused(CommandLine line) {
        for (Setting listed : options(line).known(Map.of()).list()) {
            boolean prefix = listed.name().endsWith(".");
            Settings settings = options(line).known(Map.of("strategy", user(options(line), listed.name())));
            Setting setting = settings.find(listed.name());
            settings.set(setting.name() + (prefix ? "date" : ""), value(setting));
            if (List.of("N", "X", "SHARE", "NATS", "RATE", "true|false").contains(setting.label())) {
                assertTrue(refusal(settings, setting.name(), "some").startsWith(setting.name() + "=some: must be "),
                        setting.name());
            }
            assertTrue(prefix || refusal(settings, setting.name() + "x",
                    "1").startsWith(setting.name() + "x is no setting; the nearest is "),
                    setting.name());
        }
        String first = options(line).known(Map.of()).list().getFirst().name();
        assertRefused(complete(line, "--set", first.toUpperCase(Locale.ROOT) + "S=1"),
                first.toUpperCase(Locale.ROOT) + "S is no setting; the nearest is " + first + "; see: lethe settings ");
    }

    private static String refusal(Settings settings, String name, String value) {
        return assertThrows(IllegalArgumentException.class, () -> settings.set(name, value)).getMessage();
    }

    @Test
    void anOptionAndASettingAreOne() {
        assertRefused(new Object[] {"erase", "x", "--strategy", "npo", "--set", "strategy=kl"},
                "--strategy and --set strategy=kl are one setting; see: lethe settings erase");
        assertRefused(new Object[] {"train", "x", "--set", "epochs=0.5", "--set", "chat=maybe"},
                "epochs=0.5: must be a whole number; chat=maybe: must be true or false; see: lethe settings train");
        assertRefused(new Object[] {"erase", "x", "--keep-guard", 1}, "keep_guard is a setting: --set keep_guard=VALUE\n");
        assertRefused(new Object[] {"settings", "compact"}, "compact: has no settings besides its options");
        String npo = Shell.run("settings", "erase", "--strategy", "npo").out();
        assertTrue(npo.contains("(default: 0.1)") && !npo.contains("max_ascents"), npo);
    }

    /** A strategy that uses a setting. */
    private static String user(SettingOptions options, String name) {
        return Arrays.stream(Strategy.values()).map(Strategy::label)
                .filter(label -> options.known(Map.of("strategy",
                        label)).find(name).refusal() == null).findFirst().orElseThrow();
    }

    private static String value(Setting setting) {
        return switch (setting.label()) {
            case "RATExSTEPS", "SHARExROUNDS" -> "0.1x2";
            case "TIME" -> "2026-11-01";
            case "E,E" -> "0,2";
            case "SHARE,SHARE" -> "0.25,1";
            case "MIB" -> "8";
            default -> !setting.usual().isEmpty() ? setting.usual() : setting.label().equals("X") ? "0.5" : "word";
        };
    }

    private static void assertRefused(Object[] arguments, String message) {
        Shell shell = Shell.run(arguments);
        assertEquals(2, shell.code(), shell.toString());
        assertTrue(shell.err().contains(message), shell.err());
    }
}
