package dev.lethe.cli;

import dev.lethe.Lethe;
import dev.lethe.LetheException;
import dev.lethe.base.BadInputException;
import dev.lethe.base.EngineException;
import dev.lethe.base.Reason;
import dev.lethe.base.Sizes;
import dev.lethe.console.ModelPlace;
import dev.lethe.console.SettingOptions;
import dev.lethe.console.Terminal;
import dev.lethe.engine.Work;
import dev.lethe.experiment.ExperimentCommand;
import dev.lethe.report.OutputFile;
import dev.lethe.run.RunInfo;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.ConsoleHandler;
import java.util.logging.Formatter;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Reads the command line, runs a command and turns what went wrong into a message and an exit code: 0 done, 2 bad usage
 * or input, 3 a guard refused and nothing was changed, 4 damaged data, an erasure that is not finished or a certificate that
 * does not hold, 70 a fault of Lethe's own.
 */
@Command(name = "lethe", mixinStandardHelpOptions = true, version = "lethe " + RunInfo.VERSION, synopsisSubcommandLabel = "COMMAND",
        description = "Trains language models (GPT-2, Llama, Mistral, Qwen, Pythia), removes chosen records from them, and shows that"
                + " they are gone.",
        footer = {"", "Exit codes: 0 done, 2 bad usage or input, 3 a guard refused and nothing was changed, 4 damaged data,"
                + " an erasure that is not finished or a certificate that does not hold, 70 a fault of Lethe's own."},
        subcommands = {DemoCommand.class, TrainCommand.class, AdoptCommand.class, MergeCommand.class, FindCommand.class, ScoreCommand.class,
            MergeScoresCommand.class, EraseCommand.class, FinishCommand.class, ProveCommand.class, KeysCommand.class, CertifyCommand.class,
            VerifyCommand.class, EvalCommand.class, ReportCommand.class, InspectCommand.class, CompactCommand.class,
            ExperimentCommand.class, DoctorCommand.class, SettingsCommand.class, CommandLine.HelpCommand.class,
            AutoComplete.GenerateCompletion.class})
public final class Main implements Runnable, Terminal.Owner {
    static final int BAD_INPUT = 2;
    static final int REFUSED = 3;
    static final int DAMAGED = 4;
    static final int INTERNAL = 70;
    private static final String CHARSET = System.getProperty("sun.jnu.encoding");
    private static final String SET_LOCALE = "set one of UTF-8, for example LC_ALL=C.UTF-8, and try again";

    @Spec
    private CommandSpec spec;

    private final Terminal terminal;

    private Main(Terminal terminal) {
        this.terminal = terminal;
    }

    /** Lethe as a command has it: a job runs where it is asked for, on the command's own thread, which hears Ctrl-C. */
    static Lethe.Builder door(ModelPlace place) {
        place.useBase();
        return Lethe.builder().device(place.device()).compute(place.compute()).threads(place.threads()).executor(Runnable::run);
    }

    /** The process's entry. An interrupt (Ctrl-C) lets the command stop at a whole step first. */
    public static void main(String[] arguments) {
        Logging.quiet();
        System.setProperty("java.awt.headless", "true");
        Thread worker = Thread.currentThread();
        AtomicInteger done = new AtomicInteger(-1);
        Thread stopper = new Thread(() -> stop(worker, done), "lethe-stop");
        Runtime.getRuntime().addShutdownHook(stopper);
        int code = execute(Terminal.ofProcess(), arguments);
        done.set(code);
        try {
            Runtime.getRuntime().removeShutdownHook(stopper);
        } catch (IllegalStateException stopping) {
            return; // the hook waits for this thread to end, so it must not wait for the hooks in exit
        }
        System.exit(code);
    }

    /** A command that came to its end all the same says so by its own code, and not by the signal's. */
    private static void stop(Thread worker, AtomicInteger done) {
        worker.interrupt();
        try {
            worker.join(30_000);
            if (done.get() == 0) {
                Runtime.getRuntime().halt(0);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Runs one command line in this process, as {@link #main} does, and returns its exit code. */
    public static int execute(PrintStream out, PrintStream err, String... arguments) {
        return execute(new Terminal(out, err, () -> 0), arguments);
    }

    /** Every command, ready to be given a command line. */
    static CommandLine line(Terminal terminal) {
        CommandLine line = new CommandLine(new Main(terminal));
        line.setOut(new PrintWriter(terminal.out(), true, StandardCharsets.UTF_8));
        line.setErr(new PrintWriter(terminal.err(), true, StandardCharsets.UTF_8));
        line.registerConverter(OutputFile.class, OutputFile::of);
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setParameterExceptionHandler((e, _) -> usage(terminal, e));
        line.setExecutionExceptionHandler((e, command, _) -> {
            int code = failed(terminal, e);
            if (e instanceof LetheException known) {
                spelled(command, known.fields()).ifPresent(text -> terminal.say("%s", text));
            }
            return code;
        });
        Help.dress(line);
        return line;
    }

    static int execute(Terminal terminal, String... arguments) {
        CommandLine line = line(terminal);
        return told(terminal, Work.run("command", () -> {
            try {
                requireText(arguments);
                return line.execute(arguments);
            } catch (BadInputException | Error e) { // errors pass through picocli
                return failed(terminal, e);
            }
        }));
    }

    /** Bytes that are no text in the process's character set arrive as U+FFFD: a name so mangled finds nobody. */
    private static void requireText(String[] arguments) {
        if (System.getProperty("user.dir").indexOf('\uFFFD') >= 0) {
            throw new BadInputException("the working directory's name is no text in this process's character set, " + CHARSET
                    + "; " + SET_LOCALE);
        }
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i].indexOf('\uFFFD') >= 0) {
                throw new BadInputException("argument " + (i + 1) + ", \"" + arguments[i] + "\": has bytes that are no"
                        + " text in this process's character set, " + CHARSET + "; " + SET_LOCALE);
            }
        }
    }

    /** A result that did not get out is an error, however well the command went. */
    private static int told(Terminal terminal, int code) {
        IOException e = terminal.failure();
        if (e == null) {
            return code;
        }
        terminal.say("the result cannot be written to stdout: %s", Reason.of(e));
        return code == 0 ? BAD_INPUT : code;
    }

    @Override
    public Terminal terminal() {
        return terminal;
    }

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }

    private static int usage(Terminal terminal, ParameterException e) {
        String command = e.getCommandLine().getCommandSpec().qualifiedName();
        if (e.getCause() instanceof BadInputException cause) {
            return failed(terminal, cause);
        }
        terminal.say("%s", Reason.of(e));
        if (e instanceof CommandLine.UnmatchedArgumentException unmatched) {
            SettingOptions.of(e.getCommandLine().getCommandSpec()).stream().flatMap(options -> options.meant(unmatched.getUnmatched()))
                    .forEach(name -> terminal.say("%s is a setting: --set %s=VALUE", name, name));
        }
        CommandLine.UnmatchedArgumentException.printSuggestions(e, e.getCommandLine().getErr());
        terminal.say("see: %s --help", command);
        return BAD_INPUT;
    }

    /** How settings that are at fault are said to this command, or else to another that knows them. */
    private static Optional<String> spelled(CommandLine command, List<String> names) {
        return Stream.concat(Stream.of(command), command.getParent().getSubcommands().values().stream())
                .map(one -> Map.entry(one.getCommandSpec(),
                        names.stream().flatMap(name -> SettingOptions.spelled(one.getCommandSpec(), name).stream()).toList()))
                .filter(one -> !one.getValue().isEmpty())
                .map(one -> "see: " + one.getKey().qualifiedName() + " " + String.join(" ", one.getValue())).findFirst();
    }

    private static int failed(Terminal terminal, Throwable thrown) {
        Throwable e = thrown.getCause() instanceof OutOfMemoryError full ? full : thrown; // of a thread of its own
        int code = exitCode(e);
        terminal.say("%s", code == INTERNAL ? "internal error: " + e : reason(e));
        if (code == INTERNAL) {
            e.printStackTrace(terminal.err());
        }
        return code;
    }

    static int exitCode(Throwable e) {
        return switch (e) {
            case LetheException known -> known.code().exit();
            case IOException _, UncheckedIOException _, InvalidPathException _, OutOfMemoryError _, UnsatisfiedLinkError _ -> BAD_INPUT;
            default -> INTERNAL;
        };
    }

    /** What went wrong, and what to do where the place that failed cannot know it. */
    private static String reason(Throwable e) {
        return switch (e) {
            case OutOfMemoryError full -> "out of memory (" + Reason.of(full) + "), of which Java may take "
                    + Sizes.of(Runtime.getRuntime().maxMemory())
                    + "; give it more with LETHE_JAVA_OPTS=-Xmx8g, or use less data at once";
            case UnsatisfiedLinkError broken -> "a native library cannot be loaded: " + Reason.of(broken)
                    + "; see: lethe doctor";
            case InvalidPathException name -> Reason.of(name) + ": no file name in this process's character set, " + CHARSET
                    + "; " + SET_LOCALE;
            case EngineException engine when engine.status() == EngineException.Status.OUT_OF_MEMORY ->
                    Reason.of(engine) + "; use a smaller batch or model, in an erasure hold=0, or free memory";
            default -> Reason.of(e);
        };
    }

    /** Makes libraries quiet: warnings of ours as one line on stderr, those of others only when they are errors. */
    static final class Logging {
        /** Kept, for the log manager forgets a logger, level and all, that nobody holds. */
        private static final Logger OURS = Logger.getLogger("dev.lethe");

        private Logging() {}

        static void quiet() {
            System.setProperty("slf4j.internal.verbosity", "ERROR"); // the tokenizers' logging facade has no back end here
            LogManager.getLogManager().reset();
            Logger root = Logger.getLogger("");
            ConsoleHandler handler = new ConsoleHandler();
            handler.setFormatter(new Formatter() {
                @Override
                public String format(LogRecord entry) {
                    return "lethe: " + Terminal.visible(formatMessage(entry)) + "\n";
                }
            });
            root.addHandler(handler);
            root.setLevel(Level.SEVERE);
            OURS.setLevel(Level.WARNING);
        }
    }
}
