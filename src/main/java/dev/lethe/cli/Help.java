package dev.lethe.cli;

import dev.lethe.console.SettingOptions;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Help.Layout;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.Model.UsageMessageSpec;

/** How help looks: one screen a command, its options by what they say: what is worked on, how, and what comes out. */
final class Help {
    private static final int COLUMN = 25;
    private static final Set<String> WHAT = Set.of("--data", "--data-dir", "--model", "--lora", "--held-out", "--base", "--ids",
            "--subject", "--text", "--fuzzy", "--prompt", "--queries", "--erased", "--tofu", "--non-members", "--only", "--seeds",
            "--gone", "--found", "--find", "--resume");
    private static final Set<String> OUT = Set.of("--out", "--csv", "--plot", "--dry-run", "--json", "--quiet", "--help", "--version",
            "--page", "--no-samples", "--show-erased");
    private static final List<String> LAST = List.of("--set", "--json", "--quiet", "--help"); // of a group

    private Help() { }

    /** Gives a command and those under it their settings' options and this look. */
    static void dress(CommandLine line) {
        CommandSpec spec = line.getCommandSpec();
        SettingOptions.of(spec).ifPresent(settings -> settings.addTo(spec));
        spec.usageMessage().abbreviateSynopsis(true).sortOptions(false).autoWidth(true).longOptionsMaxWidth(COLUMN);
        spec.usageMessage().sectionMap().put(UsageMessageSpec.SECTION_KEY_PARAMETER_LIST, _ -> "");
        spec.usageMessage().sectionMap().put(UsageMessageSpec.SECTION_KEY_OPTION_LIST, Help::groups);
        line.getSubcommands().values().forEach(Help::dress);
    }

    private static String groups(CommandLine.Help help) {
        return group(help, "What") + group(help, "How") + group(help, "Output");
    }

    private static String group(CommandLine.Help help, String title) {
        List<OptionSpec> options = help.commandSpec().options().stream().filter(option -> title.equals(title(option)))
                .sorted(Comparator.comparing(option -> LAST.indexOf(option.longestName()))).toList();
        List<PositionalParamSpec> places = title.equals("What") ? help.commandSpec().positionalParameters() : List.of();
        if (options.isEmpty() && places.isEmpty()) {
            return "";
        }
        Layout layout = help.createDefaultLayout(options, places, help.colorScheme());
        layout.addAllPositionalParameters(places, help.parameterLabelRenderer());
        layout.addAllOptions(options, help.parameterLabelRenderer());
        return title + ":\n" + layout;
    }

    private static String title(OptionSpec option) {
        return WHAT.contains(option.longestName()) ? "What" : OUT.contains(option.longestName()) ? "Output" : "How";
    }
}
