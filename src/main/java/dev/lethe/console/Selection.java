package dev.lethe.console;

import dev.lethe.base.BadInputException;
import dev.lethe.find.Query;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** Which records are meant: by id, by subject, word for word or by likeness. */
public final class Selection {
    @Option(names = "--ids", paramLabel = "ID", split = ",", description = "Records with these ids.")
    private List<String> ids;

    @Option(names = "--subject", paramLabel = "S", description = "Every record whose subject is S.")
    private String subject;

    @Option(names = "--text", paramLabel = "T",
            description = "Every record that says T word for word, however it is encoded; with --fuzzy, every record whose"
                    + " words are like T's, marks, case and order aside.")
    private String text;

    @Option(names = "--fuzzy", paramLabel = "0..100", arity = "0..1", fallbackValue = "85",
            description = "Least likeness of the words (token-set ratio; 85 when no number is given).")
    private Double fuzzy;

    /** Whether none is named. */
    public boolean isEmpty() {
        return ids == null && subject == null && text == null;
    }

    /** The query; exactly one way of choosing must have been taken. */
    public Query query() {
        if (Stream.of(ids, subject, text).filter(Objects::nonNull).count() != 1) {
            throw new BadInputException("say which records are meant by exactly one of --ids, --subject and --text");
        }
        if (fuzzy != null && text == null) {
            throw new BadInputException("--fuzzy goes with --text");
        }
        if (ids != null) {
            return Query.ids(ids);
        }
        return subject != null ? Query.subject(subject) : fuzzy == null ? Query.text(text) : Query.fuzzy(text, fuzzy);
    }
}
