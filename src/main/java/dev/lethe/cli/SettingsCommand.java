package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.base.Settings.Setting;
import dev.lethe.console.LetheCommand;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Column;
import picocli.CommandLine.Help.Column.Overflow;
import picocli.CommandLine.Help.TextTable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** lethe settings: everything that --set knows of a command. */
@Command(name = "settings", description = {"Lists all that --set can set for a command.",
    "Each setting with its default; those that are options too can be set either way. Studies name them in \"erase\", \"training\""
            + " and \"form\" as they are here."})
final class SettingsCommand extends LetheCommand {
    private static final int NAME = 26;

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "COMMAND", arity = "1..2", description = "Such as erase, train or experiment lds.")
    private List<String> names;

    @Option(names = "--strategy", paramLabel = "NAME", description = "With erase: the defaults of this strategy, and what it uses.")
    private String strategy;

    @Override
    protected void work() {
        CommandLine command = spec.commandLine().getParent();
        for (String name : names) {
            command = command.getSubcommands().get(name);
            if (command == null) {
                throw new BadInputException(String.join(" ", names) + ": there is no such command; see: lethe --help");
            }
        }
        SettingOptions options = SettingOptions.of(command.getCommandSpec())
                .orElseThrow(() -> new BadInputException(String.join(" ", names) + ": has no settings besides its options"));
        List<Setting> all;
        try {
            all = options.known(strategy == null ? Map.of() : Map.of("strategy", strategy)).list();
        } catch (IllegalArgumentException e) {
            throw new BadInputException("--strategy: " + Reason.of(e), e);
        }
        result(Map.of("settings", all), terminal -> print(terminal, all));
    }

    private void print(Terminal terminal, List<Setting> all) {
        Map<String, TextTable> sections = new LinkedHashMap<>();
        for (Setting one : all) {
            if (strategy == null || one.refusal() == null) {
                sections.computeIfAbsent(one.section(), _ -> table(new Column(NAME, 2, Overflow.SPAN),
                        new Column(width() - NAME, 2, Overflow.WRAP)))
                        .addRowValues(one.name() + (one.name().endsWith(".") ? "NAME=" : "=") + one.label(), one.help());
            }
        }
        sections.forEach((title, table) -> {
            TextTable head = table(new Column(width(), 0, Overflow.WRAP));
            head.addRowValues(title);
            print(terminal, head);
            print(terminal, table);
        });
    }

    private static void print(Terminal terminal, TextTable table) {
        table.toString().lines().map(String::stripTrailing).forEach(line -> terminal.print("%s", line));
    }

    private int width() {
        return spec.usageMessage().width();
    }

    private static TextTable table(Column... columns) {
        return TextTable.forColumns(CommandLine.Help.defaultColorScheme(CommandLine.Help.Ansi.OFF), columns);
    }
}
