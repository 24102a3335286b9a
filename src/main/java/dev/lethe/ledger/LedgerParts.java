/*
 * The folders of one ledger: its own and those in it that its manifest names, a rank's or a disk's each. Every one is a whole ledger in
 * the format of one that stands alone, with segments, index, writer's lock and, where it has them, keys of its own; whatever writes,
 * cleans or reads a ledger goes through all of them. They must be folders in the ledger's folder and no links, so that the rule that
 * nothing leads out of a run holds for them too; another disk is mounted there.
 */
package dev.lethe.ledger;

import dev.lethe.base.BadInputException;
import dev.lethe.base.DamagedDataException;
import dev.lethe.base.Io;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** @param parts the ledger's own folder first, then the others as the manifest names them */
record LedgerParts(List<Part> parts) {
    /**
     * A folder of the ledger.
     *
     * @param name within the ledger, empty of its own folder
     */
    record Part(String name, LedgerFolder folder, LedgerManifest manifest) {
        /** A file's name as seen from the ledger's folder. */
        String named(String file) {
            return name.isEmpty() ? file : name + "/" + file;
        }
    }

    /**
     * @throws BadInputException    when there is no ledger, another version wrote it, a folder is a link or of another ledger, or one that
     *                              holds a ledger is not named
     * @throws DamagedDataException when a manifest is damaged or a folder that it names is not there
     */
    static LedgerParts of(LedgerFolder ledger) {
        LedgerManifest manifest = LedgerManifest.read(ledger);
        List<Part> parts = new ArrayList<>(List.of(new Part("", ledger, manifest)));
        for (String name : manifest.folders()) parts.add(part(ledger, manifest, name));
        requireNamed(ledger, manifest);
        return new LedgerParts(List.copyOf(parts));
    }

    static Part part(LedgerFolder ledger, LedgerManifest manifest, String name) {
        Path path = ledger.path().resolve(name);
        if (Files.isSymbolicLink(path))
            throw new BadInputException(path + ": is a link; a ledger's folders lie in it themselves, another disk is mounted there");
        if (!Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS))
            throw new DamagedDataException("ledger " + ledger.path() + " is damaged: its folder " + name + " is missing, and the gradients"
                    + " in it; put it back, or resume the training if it was cut off before it made the folder");
        LedgerFolder folder = new LedgerFolder(path);
        LedgerManifest own = LedgerManifest.read(folder);
        if (!own.folders().isEmpty()) throw new BadInputException(path + ": names folders itself; only a whole ledger does");
        requireSame(ledger.path(), manifest, path, own);
        return new Part(name, folder, own);
    }

    private static void requireSame(Path ledger, LedgerManifest whole, Path path, LedgerManifest part) {
        if (part.identity() == whole.identity()) return;
        Map<String, Object> here = facts(part);
        facts(whole).forEach((what, there) -> {
            if (!there.equals(here.get(what)))
                throw new BadInputException(path + ": is of another training than the ledger " + ledger + " that names it: its " + what
                        + " is " + here.get(what) + ", not " + there);
        });
    }

    private static Map<String, Object> facts(LedgerManifest manifest) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("model hash", manifest.modelHash());
        facts.put("shape", manifest.shape());
        facts.put("list of sites", manifest.sites());
        facts.put("head's top k", manifest.headTopK());
        facts.put("dtype", manifest.dtype());
        facts.put("rank of factors", manifest.rank());
        return facts;
    }

    /** A ledger in a folder that nobody names would be read by nobody, erasures included. */
    static void requireNamed(LedgerFolder ledger, LedgerManifest manifest) {
        for (Path path : Io.input("cannot list the ledger " + ledger.path(), () -> Io.list(ledger.path())))
            if (Files.isRegularFile(new LedgerFolder(path).manifest()) && !manifest.folders().contains(path.getFileName().toString()))
                throw new BadInputException(path + ": holds a ledger that " + ledger.manifest() + " does not name; if its entries belong"
                        + " to this one bring the manifest back that names it, else move it elsewhere");
    }

    LedgerManifest manifest() {
        return parts.getFirst().manifest();
    }

    List<LedgerFolder> folders() {
        return parts.stream().map(Part::folder).toList();
    }

    /** Bytes of all segments on disk. */
    long bytes() {
        return folders().stream().mapToLong(LedgerFolder::bytes).sum();
    }
}
