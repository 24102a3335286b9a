package dev.lethe.cli;

import dev.lethe.base.BadInputException;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.console.Common;
import dev.lethe.proof.SigningKeys;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** lethe keys: the key store that certificates and the audit log are signed with. */
@Command(name = "keys", mixinStandardHelpOptions = true, description = "Makes the keys that certificates are signed with.",
        subcommands = KeysCommand.New.class)
final class KeysCommand implements Runnable {
    private static final int PASSWORD_BYTES = 24;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "name a command: keys new");
    }

    /** What --json gives. */
    record Result(String store, String publicKey, String logKey, String fingerprint) {
        /** Makes a store; a password file that is not there is made, with a random one. */
        static Result make(Path store, Path passwordFile) {
            if (passwordFile != null && !Files.exists(passwordFile)) {
                byte[] random = new byte[PASSWORD_BYTES];
                new SecureRandom().nextBytes(random);
                try {
                    PrivateFiles.write(passwordFile, Base64.getUrlEncoder().encodeToString(random) + "\n");
                } catch (IOException e) {
                    throw new BadInputException("--password-file " + passwordFile + ": cannot be made: "
                            + Reason.of(e, passwordFile), e);
                }
            }
            SigningKeys keys = SigningKeys.make(store, CertifyOptions.password(passwordFile));
            return new Result(store.toString(), SigningKeys.beside(store, ".pem").toString(),
                    SigningKeys.beside(store, ".vkey").toString(), keys.fingerprint());
        }
    }

    /** lethe keys new. */
    @Command(name = "new", description = "Makes a PKCS#12 key store with a key for certificates (ECDSA P-256) and one for the audit log"
                    + " (Ed25519), and beside it their public parts: hand out the .pem, keep the store and its password"
                    + " apart.")
    static final class New implements Callable<Integer> {
        @Parameters(paramLabel = "STORE", description = "The new file, such as keys.p12.")
        private Path store;

        @Option(names = "--password-file", paramLabel = "FILE", description = "Password of the store, the file's first"
                + " line; when there is no such file it is made, with a random one (default: what $LETHE_KEY_PASSWORD"
                + " holds).")
        private Path passwordFile;

        @Mixin
        private Common common;

        @Override
        public Integer call() {
            Result made = Result.make(store, passwordFile);
            common.result(made, terminal -> {
                terminal.print("key store     %s", made.store);
                terminal.print("public key    %s", made.publicKey);
                terminal.print("  SHA-256     %s", made.fingerprint);
                terminal.print("log key       %s", made.logKey);
            });
            return 0;
        }
    }
}
