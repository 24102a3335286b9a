package dev.lethe.cli;

import dev.lethe.engine.BadInputException;
import dev.lethe.engine.DamagedDataException;
import dev.lethe.engine.EngineException;
import dev.lethe.engine.InterruptedWorkException;
import dev.lethe.engine.Status;
import dev.lethe.engine.Work;
import dev.lethe.train.PendingErasureException;
import dev.lethe.train.RunInfo;
import dev.lethe.solve.NotConvergedException;
import dev.lethe.train.TrainingFailedException;
import dev.lethe.unlearn.GuardRefusedException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Reads the command line, runs a command and turns what went wrong into a message and an exit code: 0 done, 2 bad usage
 * or input, 3 a guard refused and nothing was changed, 4 damaged data or an erasure that is not finished, 70 a fault of
 * Lethe's own.
 */
@Command(name = "lethe", mixinStandardHelpOptions = true, versionProvider = Main.Version.class, sortOptions = false,
        synopsisSubcommandLabel = "COMMAND",
        description = "Trains GPT-2-class models, removes chosen records from them, and shows that they are gone.",
        footer = {"", "Exit codes: 0 done, 2 bad usage or input, 3 a guard refused and nothing was changed, 4 damaged data"
                + " or an erasure that is not finished, 70 a fault of Lethe's own."},
        subcommands = {DemoCommand.class, TrainCommand.class, FindCommand.class, ScoreCommand.class, EraseCommand.class,
            FinishCommand.class, EvalCommand.class, ReportCommand.class, InspectCommand.class,
            CompactCommand.class, ExperimentCommand.class, DoctorCommand.class,
            CommandLine.HelpCommand.class})
public final class Main implements Runnable {
    static final int BAD_INPUT = 2;
    static final int REFUSED = 3;
    static final int DAMAGED = 4;
    static final int INTERNAL = 70;

    @Spec
    private CommandSpec spec;

    private final Terminal terminal;

    private Main(Terminal terminal) {
        this.terminal = terminal;
    }

    /** The process's entry. An interrupt (Ctrl-C) lets the command stop at a whole step first. */
    public static void main(String[] arguments) {
        Logging.quiet();
        System.setProperty("java.awt.headless", "true");
        Thread worker = Thread.currentThread();
        Thread stopper = new Thread(() -> stop(worker), "lethe-stop");
        Runtime.getRuntime().addShutdownHook(stopper);
        int code = execute(Terminal.ofProcess(), arguments);
        try {
            Runtime.getRuntime().removeShutdownHook(stopper);
        } catch (IllegalStateException stopping) {
            return; // the hook waits for this thread to end, so it must not wait for the hooks in exit
        }
        System.exit(code);
    }

    private static void stop(Thread worker) {
        worker.interrupt();
        try {
            worker.join(30_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Runs one command line in this process, as {@link #main} does, and returns its exit code. */
    public static int execute(PrintStream out, PrintStream err, String... arguments) {
        return execute(new Terminal(out, err, false), arguments);
    }

    static int execute(Terminal terminal, String... arguments) {
        CommandLine line = new CommandLine(new Main(terminal));
        line.setOut(new PrintWriter(terminal.out(), true, StandardCharsets.UTF_8));
        line.setErr(new PrintWriter(terminal.err(), true, StandardCharsets.UTF_8));
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setParameterExceptionHandler((e, _) -> usage(terminal, e));
        line.setExecutionExceptionHandler((e, _, _) -> failed(terminal, e));
        line.setUsageHelpAutoWidth(true);
        return Work.run("command", () -> line.execute(arguments));
    }

    Terminal terminal() {
        return terminal;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "name a command");
    }

    private static int usage(Terminal terminal, ParameterException e) {
        String command = e.getCommandLine().getCommandSpec().qualifiedName();
        if (e.getCause() instanceof BadInputException cause) {
            return failed(terminal, cause);
        }
        terminal.say("%s", e.getMessage());
        CommandLine.UnmatchedArgumentException.printSuggestions(e, e.getCommandLine().getErr());
        terminal.say("see: %s --help", command);
        return BAD_INPUT;
    }

    private static int failed(Terminal terminal, Exception e) {
        int code = exitCode(e);
        terminal.say("%s", code == INTERNAL ? "internal error: " + e : reason(e));
        if (code == INTERNAL) {
            e.printStackTrace(terminal.err());
        }
        return code;
    }

    static int exitCode(Throwable e) {
        return switch (e) {
            case BadInputException _, NotConvergedException _, TrainingFailedException _, InterruptedWorkException _,
                 IOException _, UncheckedIOException _ -> BAD_INPUT;
            case GuardRefusedException _ -> REFUSED;
            case DamagedDataException _, PendingErasureException _ -> DAMAGED;
            case EngineException engine -> switch (engine.status()) {
                case UNSUPPORTED, OUT_OF_MEMORY, NOT_FINITE, CANCELLED -> BAD_INPUT;
                case DAMAGED -> DAMAGED;
                default -> INTERNAL;
            };
            default -> INTERNAL;
        };
    }

    /** What went wrong, for a person: file system errors say what, not only which file. */
    static String reason(Throwable e) {
        return switch (e) {
            case UncheckedIOException unchecked when unchecked.getMessage().contains(unchecked.getCause().toString()) ->
                    reason(unchecked.getCause());
            case NoSuchFileException missing -> missing.getFile() + ": there is no such file or folder";
            case FileNotFoundException missing -> missing.getMessage();
            case AccessDeniedException denied -> denied.getFile() + ": no permission";
            case FileSystemException other when other.getReason() == null ->
                    other.getFile() + ": " + other.getClass().getSimpleName().replace("Exception", "");
            case EngineException engine when engine.status() == Status.OUT_OF_MEMORY ->
                    engine.getMessage() + "; use a smaller --batch or model, or free memory";
            default -> e.getMessage() == null ? e.toString() : e.getMessage();
        };
    }

    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"lethe " + RunInfo.VERSION};
        }
    }
}
