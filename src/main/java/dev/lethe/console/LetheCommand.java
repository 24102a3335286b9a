package dev.lethe.console;

import dev.lethe.base.BadInputException;
import dev.lethe.report.OutputFile;
import dev.lethe.report.ResultJson;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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

    /** The i-th of n parts of a work, from 1, as --shard I/N names it. */
    public record ShardChoice(int i, int n) {
        private static final Pattern TEXT = Pattern.compile("([0-9]{1,9})/([0-9]{1,9})");

        /** Null for null. @throws BadInputException when there is no such part */
        public static ShardChoice of(String text) {
            if (text == null) {
                return null;
            }
            Matcher match = TEXT.matcher(text);
            if (!match.matches()) {
                throw new BadInputException("--shard " + text + ": must be I/N, the I-th of N parts, such as 2/4");
            }
            ShardChoice choice = new ShardChoice(Integer.parseInt(match.group(1)), Integer.parseInt(match.group(2)));
            if (choice.i < 1 || choice.i > choice.n) {
                throw new BadInputException("--shard " + text + ": the first of N is 1/N and the last N/N");
            }
            return choice;
        }
    }
}
