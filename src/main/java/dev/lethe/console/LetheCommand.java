package dev.lethe.console;

import dev.lethe.report.OutputFile;
import dev.lethe.report.ResultJson;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** A command: the options that every one has, its settings applied before it works, and how it hands over its result. */
public abstract class LetheCommand implements Callable<Integer> {
    @Spec
    private CommandSpec command;

    @Option(names = "--json", paramLabel = "FILE",
            description = "The result as one JSON object; - = stdout, in place of the text.")
    private OutputFile json;

    @Option(names = {"-q", "--quiet"}, description = "No progress and no remarks.")
    private boolean quiet;

    @Option(names = {"-h", "--help"}, usageHelp = true, description = "This text.")
    private boolean help;

    private int code;

    @Override
    public final Integer call() {
        SettingOptions.of(command).ifPresent(SettingOptions::apply);
        work();
        return code;
    }

    /** What the command does. */
    protected abstract void work();

    /** The exit code, where the command has worked and yet something is wrong. */
    protected void ends(int with) {
        code = with;
    }

    public Terminal terminal() {
        return ((Terminal.Owner) command.root().userObject()).terminal();
    }

    /** A place for progress: silent with --quiet. */
    public Progress progress() {
        return new Progress(quiet ? null : terminal());
    }

    public void remark(String format, Object... values) {
        if (!quiet) {
            terminal().say(format, values);
        }
    }

    /**
     * Ends a command: the JSON where it was asked for, the text on stdout unless the JSON goes there.
     *
     * @param result a record or map with the documented keys
     * @param text prints the same for a person
     */
    public void result(Object result, Consumer<Terminal> text) {
        if (json != null && json.path().toString().equals("-")) {
            terminal().out().println(ResultJson.pretty(result));
            return;
        }
        if (json != null) {
            json.write(ResultJson.pretty(result) + "\n");
        }
        text.accept(terminal());
    }
}
