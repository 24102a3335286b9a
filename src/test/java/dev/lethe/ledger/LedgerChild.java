package dev.lethe.ledger;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A process that captures into a ledger until it is killed or the disk is full. It prints "synced N" after every sync:
 * from then on N entries must survive anything.
 */
final class LedgerChild {
    private LedgerChild() {}

    public static void main(String[] arguments) {
        Path folder = Path.of(arguments[0]);
        int middle = Integer.parseInt(arguments[1]);
        long segment = Long.parseLong(arguments[2]);
        boolean resume = new LedgerFolder(folder).manifest().toFile().exists();
        try (LedgerWriter writer = resume ? LedgerFixture.goOn(folder, segment)
                : LedgerWriter.create(folder, LedgerFixture.manifest(), segment)) {
            System.out.println("synced " + writer.size());
            for (int i = writer.size(); ; i++) {
                if (i / 4 % 2 == 0) LedgerFixture.append(writer, i, LedgerFixture.length(i, middle));
                else LedgerFixture.write(writer, i, i + 1, middle);
                if (i % 4 == 3) writer.commit();
                if (i % 64 == 63) {
                    writer.sync();
                    System.out.println("synced " + writer.size());
                }
            }
        } catch (RuntimeException e) {
            System.out.println(e);
        }
        System.out.println("closed");
    }

    /** Starts one; `prefix` may wrap the command, as a shell that sets a limit. */
    static Process start(List<String> prefix, Path folder, int middle, long segmentBytes) throws IOException {
        List<String> command = new ArrayList<>(prefix);
        command.addAll(List.of(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java",
                "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData",
                "--enable-native-access=ALL-UNNAMED", "-cp", System.getProperty("java.class.path"),
                LedgerChild.class.getName(), folder.toString(), Integer.toString(middle), Long.toString(segmentBytes)));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }
}
