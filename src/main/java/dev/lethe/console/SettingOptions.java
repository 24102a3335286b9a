package dev.lethe.console;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Reason;
import dev.lethe.base.Settings;
import dev.lethe.base.Settings.Setting;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.stream.Stream;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.ISetter;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;

/** A command's settings: those most used are options of their own, the others are set by --set. */
public final class SettingOptions {
    @Option(names = "--set", paramLabel = "NAME=VALUE", mapFallbackValue = "true",
            description = "Any other setting, repeatable: lethe settings lists them.")
    private Map<String, String> set = new LinkedHashMap<>();

    private final Map<String, String> options = new LinkedHashMap<>();
    private final BiConsumer<Settings, Map<String, String>> tables;
    private final List<String> shown;
    private CommandSpec command;

    /**
     * @param tables adds the settings, given what was set
     * @param shown  those that are options
     */
    public SettingOptions(BiConsumer<Settings, Map<String, String>> tables, String... shown) {
        this.tables = tables;
        this.shown = Arrays.asList(shown);
    }

    public SettingOptions(Consumer<Settings> tables, String... shown) {
        this((settings, _) -> tables.accept(settings), shown);
    }

    /** Those of a command, where it has any. */
    public static Optional<SettingOptions> of(CommandSpec spec) {
        return spec.mixins().values().stream().flatMap(mixin -> mixin.userObject() instanceof SettingOptions settings
                ? Stream.of(settings) : of(mixin).stream()).findFirst();
    }

    /** Makes the options, in the order of {@code shown}. */
    public void addTo(CommandSpec spec) {
        command = spec;
        Settings settings = known(Map.of());
        for (String name : shown) {
            Setting setting = settings.find(name);
            boolean flag = setting.label().equals("true|false");
            ISetter setter = new ISetter() {
                @Override
                public <T> T set(T value) {
                    return value == null ? null : (T) options.put(name, value.toString());
                }
            };
            spec.addOption(OptionSpec.builder(option(name)).type(String.class).arity(flag ? "0" : "1").paramLabel(setting.label())
                    .description((flag ? setting.says() + "." : setting.help()).replace("%", "%%")).setter(setter).build());
        }
    }

    /** Every setting, with the defaults that fit what is given. */
    public Settings known(Map<String, String> given) {
        Settings settings = new Settings();
        tables.accept(settings, given);
        return settings;
    }

    /** The settings that are called as these options. */
    public Stream<String> meant(List<String> unknown) {
        return unknown.stream().filter(option -> option.startsWith("--")).map(option -> option.substring(2).replace('-', '_'))
                .filter(name -> known(Map.of()).find(name) != null);
    }

    /** How a command is told a setting, if it takes it: by an option of that name, else by --set. */
    public static Optional<String> spelled(CommandSpec spec, String name) {
        OptionSpec option = spec.findOption(option(name));
        if (option != null) {
            return Optional.of((option.longestName() + " " + option.paramLabel()).strip());
        }
        return of(spec).map(options -> options.known(Map.of()).find(name)).map(setting -> "--set " + name + "=" + setting.label());
    }

    /** What was set, by option or by name. */
    public Map<String, String> given() {
        Map<String, String> given = new LinkedHashMap<>(options);
        given.putAll(set);
        return given;
    }

    /** Sets it. @throws BadInputException listing every problem */
    public void apply() {
        List<String> problems = new ArrayList<>();
        options.keySet().stream().filter(set::containsKey)
                .forEach(name -> problems.add(option(name) + " and --set " + name + "=" + set.get(name) + " are one setting"));
        try {
            known(given()).set(given(), problems);
        } catch (IllegalArgumentException e) { // no strategy of that name
            problems.add(Reason.of(e));
        }
        refuse(problems);
    }

    /** @throws BadInputException when there are problems */
    public void refuse(List<String> problems) {
        if (!problems.isEmpty()) {
            throw new BadInputException(String.join("; ", problems) + "; see: lethe settings "
                    + command.qualifiedName().substring("lethe ".length()));
        }
    }

    private static String option(String name) {
        return "--" + name.replace('_', '-');
    }
}
