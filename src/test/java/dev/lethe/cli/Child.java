package dev.lethe.cli;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** lethe in a process of its own, for what this one cannot change: memory, character set, stdout, a library's cache. */
final class Child {
    private Child() {}

    /**
     * Runs a bash script in the checkout's root to which the command line is {@code "$@"}.
     *
     * @param environment added to this process's own without its locale
     * @param jvm         options of the JVM
     */
    static Shell run(String script, Map<String, String> environment, List<String> jvm, Object... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("bash", "-c", script, "bash",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "--enable-native-access=ALL-UNNAMED",
                "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        command.addAll(jvm);
        if (System.getProperty("lethe.native") != null) {
            command.add("-Dlethe.native=" + System.getProperty("lethe.native"));
        }
        command.addAll(List.of("-cp", System.getProperty("surefire.test.class.path",
                System.getProperty("java.class.path")), Main.class.getName()));
        Stream.of(arguments).map(Object::toString).forEach(command::add);
        Path out = Files.createTempFile("lethe-child", ".out");
        Path err = Files.createTempFile("lethe-child", ".err");
        try {
            ProcessBuilder builder = new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile())
                    .directory(new File(System.getProperty("lethe.root", ".")));
            builder.environment().keySet().removeIf(name -> name.equals("LANG") || name.startsWith("LC_"));
            builder.environment().putAll(environment);
            int code = builder.start().waitFor();
            return new Shell(code, Files.readString(out), Files.readString(err));
        } finally {
            Files.delete(out);
            Files.delete(err);
        }
    }
}
