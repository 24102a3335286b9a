/*
 * Answers in place of those to be forgotten: of not knowing, from a list of ours, or wrong ones, from a file of them.
 */
package dev.lethe.objective;

import dev.lethe.base.BadInputException;
import dev.lethe.data.DataForm;
import dev.lethe.data.PerturbedDataset;
import dev.lethe.data.TextRecord;
import dev.lethe.run.RunFolder;
import dev.lethe.settings.Strategy;
import dev.lethe.text.Example;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** One erasure's, which asks for them in turn. */
public final class Alternates {
    /** Answers of not knowing that a record gets, of all there are. */
    private static final int EACH = 10;

    private final Map<String, List<Example>> examples; // by the id of the record that they stand for
    private final Map<String, Integer> asked = new HashMap<>();

    /** @param examples of each record's id at least one */
    public Alternates(Map<String, List<Example>> examples) {
        this.examples = examples;
    }

    /** The record's next, from the first again after the last. */
    Example next(Example record) {
        List<Example> own = examples.get(record.id());
        return own.get((asked.merge(record.id(), 1, Integer::sum) - 1) % own.size());
    }

    /** Each record with some of the answers of {@code idk.txt}, drawn by the seed. */
    public static Alternates notKnowing(RunFolder run, List<TextRecord> records, long seed) {
        List<String> answers = answers();
        Map<String, List<String>> chosen = new HashMap<>();
        for (int i = 0; i < records.size(); i++) {
            chosen.put(records.get(i).id(), EraseData.sample(answers, EACH, seed + i));
        }
        require(Strategy.DPO, records, null);
        return of(run, records, chosen);
    }

    /**
     * Each record with the wrong answers that a file has for it, in an order of the seed's.
     *
     * @param file of TOFU's kind: JSON Lines with {@code perturbed}
     * @throws BadInputException without a file, or when it has none for a record, by id or by prompt
     */
    public static Alternates of(RunFolder run, List<TextRecord> records, Path file, long seed) {
        require(Strategy.ALTPO, records, file);
        DataForm form = run.info().data().form();
        Map<String, List<String>> known = new HashMap<>();
        for (PerturbedDataset.PerturbedRecord line : PerturbedDataset.read(file, false, form).records()) {
            known.put(line.record().id(), line.perturbed());
            known.putIfAbsent(prompt(line.record()), line.perturbed());
        }
        Map<String, List<String>> chosen = new HashMap<>();
        for (TextRecord record : records) {
            List<String> own = known.getOrDefault(prompt(record), known.get(record.id()));
            if (own == null) {
                throw new BadInputException(file + ": has no wrong answers for record " + record.id()
                        + ", neither by its id nor by its prompt; strategy altpo needs some for every record to erase");
            }
            chosen.put(record.id(), EraseData.sample(own, own.size(), seed));
        }
        return of(run, records, chosen);
    }

    /**
     * What can be said before a model is read.
     *
     * @param file of wrong answers, or null
     * @throws BadInputException when the strategy puts other answers in the place of records' and one has none, or there is no file
     */
    public static void require(Strategy strategy, List<TextRecord> records, Path file) {
        if (strategy == Strategy.ALTPO && file == null) {
            throw new BadInputException("strategy altpo needs a file of wrong answers to the records to erase,"
                    + " as TOFU's perturbed sets are");
        }
        records.stream().filter(record -> strategy.answers() && !record.answers()).findFirst().ifPresent(record -> {
            throw new BadInputException("strategy " + strategy.label() + " puts another answer in the place of each record's, and record "
                    + record.id() + " has none: it has no prompt, or is a conversation that does not end with an answer");
        });
    }

    private static String prompt(TextRecord record) {
        return "prompt " + record.prompt();
    }

    private static Alternates of(RunFolder run, List<TextRecord> records, Map<String, List<String>> answers) {
        List<TextRecord> all = new ArrayList<>();
        List<String> owners = new ArrayList<>();
        for (TextRecord record : records) {
            for (String answer : answers.get(record.id())) {
                all.add(record.answered(record.id() + " (" + all.size() + ")", answer));
                owners.add(record.id());
            }
        }
        List<Example> encoded = RunExamples.encode(run, all);
        Map<String, List<Example>> examples = new HashMap<>();
        for (int i = 0; i < encoded.size(); i++) {
            examples.computeIfAbsent(owners.get(i), _ -> new ArrayList<>()).add(encoded.get(i));
        }
        return new Alternates(examples);
    }

    /** The lines of {@code idk.txt}. */
    static List<String> answers() {
        try (InputStream in = Alternates.class.getResourceAsStream("idk.txt")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
