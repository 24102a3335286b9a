package dev.lethe.cli;

import dev.lethe.console.Terminal;
import dev.lethe.erase.Census;
import dev.lethe.erase.Census.Place;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** What inspect --personal shows: every place of a folder, and of what it names, that may tell of a record. */
record PersonalData(String path, List<Place> places) {
    /** @param find texts to look for, may be empty */
    static PersonalData of(Path path, List<String> find) {
        return new PersonalData(path.toString(), Census.of(path, find.isEmpty() ? null : new Census.Search(Set.of(), find)));
    }

    void print(Terminal terminal) {
        Path root = Path.of(path).toAbsolutePath().normalize();
        for (Place place : places) {
            Path at = Path.of(place.path());
            terminal.print("%-11s %-40s %s; %s%s%s", place.kind(), at.startsWith(root) ? root.relativize(at) : at,
                    place.holds(), place.records() == null ? "" : String.format(Locale.ROOT, "%,d of them; ", place.records()),
                    reach(place.reach()), found(place.found()));
        }
        terminal.print("%,d places; what --json or --csv wrote elsewhere, and backups, are not among them", places.size());
    }

    private static String reach(Census.Reach reach) {
        return switch (reach) {
            case ERASE -> "an erasure cleans it";
            case RUN -> "goes only with its folder";
            case ACCOUNT -> "kept as the account";
            case YOURS -> "yours to delete";
        };
    }

    private static String found(Census.Found found) {
        return found == null ? "" : switch (found) {
            case YES -> "; FOUND";
            case NO -> "; not found";
            case CANNOT_TELL -> "; cannot be searched";
        };
    }
}
