package dev.lethe.console;

import dev.lethe.base.BadInputException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

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
