package dev.lethe.cli;

import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.cli.CertifyCommand.CertifyOptions;
import dev.lethe.console.LetheCommand;
import dev.lethe.ledger.LedgerKeys;
import dev.lethe.proof.SigningKeys;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Base64;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** lethe keys: the key store that certificates and the audit log are signed with, and the keys that ledgers lie under. */
@Command(name = "keys", mixinStandardHelpOptions = true, description = "Makes the keys that certificates are signed with, and"
        + " rotates those that ledgers lie under.", subcommands = {KeysCommand.New.class, KeysCommand.Rotate.class})
final class KeysCommand implements Runnable {
    private static final int PASSWORD_BYTES = 24;

    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "name a command: keys new or keys rotate");
    }

    /** What --json gives. */
    record Result(String store, String publicKey, String logKey, String fingerprint) {
        /** Makes a store; a password file that is not there is made, with a random one. */
        static Result make(Path store, Path passwordFile) {
            if (passwordFile != null && !Files.exists(passwordFile)) {
                byte[] random = new byte[PASSWORD_BYTES];
                new SecureRandom().nextBytes(random);
                Io.input("--password-file " + passwordFile + ": cannot be made", () ->
                        PrivateFiles.write(passwordFile, Base64.getUrlEncoder().encodeToString(random) + "\n"));
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
    static final class New extends LetheCommand {
        @Parameters(paramLabel = "STORE", description = "The new file, such as keys.p12.")
        private Path store;

        @Option(names = "--password-file", paramLabel = "FILE", description = "Password of the store, the file's first"
                + " line; when there is no such file it is made, with a random one (default: what $LETHE_KEY_PASSWORD"
                + " holds).")
        private Path passwordFile;

        @Override
        protected void work() {
            Result made = Result.make(store, passwordFile);
            result(made, terminal -> {
                terminal.print("key store     %s", made.store);
                terminal.print("public key    %s", made.publicKey);
                terminal.print("  SHA-256     %s", made.fingerprint);
                terminal.print("log key       %s", made.logKey);
            });
        }
    }

    /** lethe keys rotate. */
    @Command(name = "rotate", description = "Puts a new key-encryption key in the place of the one that a folder of ledger keys is"
            + " under (ledger_keys, compact --encrypt), which is overwritten. No ledger is rewritten. An erasure does this too.")
    static final class Rotate extends LetheCommand {
        @Parameters(paramLabel = "KEYS", description = "The folder.")
        private Path folder;

        /** What --json gives: keys of records in the folder. */
        record Rotated(String folder, int keys) { }

        @Override
        protected void work() {
            Rotated done = new Rotated(folder.toString(), LedgerKeys.rotate(folder));
            result(done, terminal -> terminal.print("%s: %,d keys of records, under a new key-encryption key", done.folder,
                    done.keys));
        }
    }
}
