package dev.lethe.sweep;

import dev.lethe.base.BadInputException;
import dev.lethe.base.Io;
import dev.lethe.base.PrivateFiles;
import dev.lethe.base.Reason;
import dev.lethe.data.DataForm;
import dev.lethe.data.Dataset;
import dev.lethe.data.PerturbedDataset;
import dev.lethe.data.PerturbedDataset.PerturbedRecord;
import dev.lethe.data.TextRecord;
import dev.lethe.find.Finder;
import dev.lethe.find.Query;
import dev.lethe.run.RunJson;
import dev.lethe.spec.Spec;
import dev.lethe.spec.Spec.DataFiles;
import dev.lethe.spec.SpecCheck;
import dev.lethe.sweep.BaseStage.BaseText;
import dev.lethe.text.Copies;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.zip.GZIPInputStream;

/**
 * The records of a study, kept in its folder ({@code data/}) so that its runs are whole without the files they came from.
 *
 * @param learned    what the original models learn
 * @param heldOut    what no model learns; same file for every training
 * @param forget     ids by forget set
 * @param perturbed  TOFU's records with wrong answers, by id; empty without them
 * @param realAuthors TOFU's, or null
 * @param worldFacts  TOFU's, or null
 * @param tokenizer  folder of the tokenizer, or null for the model's own
 * @param baseText   what the base learned, or null
 * @param wrongAnswers file of all of TOFU's records with wrong answers, for altpo takes them from one; or null
 */
record StudyData(Dataset learned, Dataset heldOut, Map<String, Set<String>> forget, Map<String, PerturbedRecord> perturbed,
                 PerturbedDataset realAuthors, PerturbedDataset worldFacts, Path tokenizer, BaseText baseText,
                 Path wrongAnswers) {
    private static final long HOLDOUT_SEED = 0;

    static StudyData load(Spec spec, DataFiles files, Path out) {
        Path folder = out.resolve("data");
        boolean bundled = spec.data().bundled() != null;
        DataForm form = spec.data().form();
        Dataset all = Dataset.read(bundled ? DemoData.copy(DemoData.PEOPLE, folder) : files.require(spec.data().file()), form);
        Dataset heldOut = bundled && spec.data().holdout() == null ? Dataset.read(DemoData.copy(DemoData.HELD_OUT, folder), form)
                : heldOut(spec.data().holdout(), all, files);
        Dataset learned = learned(spec.data(), all, heldOut);
        if (learned.isEmpty() || heldOut.isEmpty()) {
            throw new BadInputException(spec.file() + ": $.data: leaves " + learned.size() + " records to learn and "
                    + heldOut.size() + " held out; both must be some");
        }
        Path tokenizer = spec.tokenizer() != null ? files.require(spec.tokenizer())
                : bundled && SpecCheck.isShape(spec.model(), files) ? DemoData.copy(DemoData.TOKENIZER,
                folder).getParent() : null;
        Spec.Tofu tofu = spec.data().tofu();
        return new StudyData(write(learned, folder.resolve("learned.jsonl")), write(heldOut, folder.resolve("held-out.jsonl")),
                forget(spec, learned), tofu == null ? Map.of() : perturbed(tofu, files, form),
                tofu == null ? null : options(tofu.realAuthors(), files, spec), tofu == null ? null
                : options(tofu.worldFacts(), files, spec), tokenizer, BaseText.load(spec, files),
                tofu == null ? null
                : together(tofu.records().stream().map(files::require).toList(), folder.resolve("wrong-answers.jsonl")));
    }

    private static Dataset heldOut(Spec.Holdout holdout, Dataset all, DataFiles files) {
        Dataset from = holdout.file() == null ? all : Dataset.read(files.require(holdout.file()), all.form());
        if (holdout.fraction() == 0) {
            return holdout.subjects() == null ? from
                    : withCopies(from, record -> holdout.subjects().contains(record.subject()));
        }
        List<String> subjects = new ArrayList<>(all.subjects());
        Collections.shuffle(subjects, new Random(HOLDOUT_SEED));
        Set<String> out = Set.copyOf(subjects.subList(0, (int) Math.ceil(holdout.fraction() * subjects.size())));
        return withCopies(all, record -> out.contains(record.subject()));
    }

    private static Dataset withCopies(Dataset data, Predicate<TextRecord> meant) {
        Set<String> ids = Copies.among(data.records()).withCopies(meant);
        return data.filter(record -> ids.contains(record.id()));
    }

    private static Dataset learned(Spec.Data data, Dataset all, Dataset heldOut) {
        Set<String> subjects = data.subjects();
        Set<String> ids = data.ids();
        return all.filter(record -> heldOut.byId(record.id()) == null
                && (subjects == null || subjects.contains(record.subject())) && (ids == null || ids.contains(record.id())));
    }

    private static Map<String, Set<String>> forget(Spec spec, Dataset learned) {
        Map<String, Set<String>> sets = new LinkedHashMap<>();
        List<String> problems = new ArrayList<>();
        try (Finder finder = new Finder(learned.records())) {
            spec.forget().forEach((name, set) -> {
                try {
                    sets.put(name, ids(finder, set));
                } catch (BadInputException e) {
                    problems.add("$.forget." + name + ": " + Reason.of(e));
                }
            });
        }
        for (String request : spec.sequential() == null ? List.<String>of() : spec.sequential().requests()) {
            if (learned.byId(request) == null && !learned.subjects().contains(request)) {
                problems.add("$.sequential.requests: \"" + request + "\" is neither a subject nor a record that is learned");
            }
        }
        if (!problems.isEmpty()) {
            throw new BadInputException(spec.file() + ": " + String.join("\n  ", problems));
        }
        return sets;
    }

    private static Set<String> ids(Finder finder, Spec.Forget set) {
        Set<String> ids = new LinkedHashSet<>();
        if (set.subjects() != null) {
            set.subjects().forEach(subject -> ids.addAll(finder.find(Query.subject(subject)).requireErasable().ids()));
        } else {
            Query query = set.ids() != null ? Query.ids(set.ids()) : Query.fuzzy(set.text(), set.fuzzy());
            ids.addAll(finder.find(query).requireErasable().ids());
        }
        return ids;
    }

    private static Map<String, PerturbedRecord> perturbed(Spec.Tofu tofu, DataFiles files, DataForm form) {
        Map<String, PerturbedRecord> byId = new LinkedHashMap<>();
        for (String path : tofu.records()) {
            PerturbedDataset.read(files.require(path), true, form).records().forEach(record -> byId.put(record.record().id(), record));
        }
        return byId;
    }

    private static PerturbedDataset options(String path, DataFiles files, Spec spec) {
        return path == null ? null
                : PerturbedDataset.read(files.require(path), false, spec.data().form()).first(spec.measure().tofuSample());
    }

    private static Dataset write(Dataset data, Path file) {
        StringBuilder lines = new StringBuilder();
        for (TextRecord record : data) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("id", record.id());
            line.put("subject", record.subject());
            if (record.conversation() != null) {
                line.put("messages", record.conversation().messages());
            } else {
                line.put("prompt", record.prompt());
                line.put(record.prompt() == null ? "text" : "completion", record.completion());
            }
            line.values().removeIf(value -> value == null);
            lines.append(RunJson.line(line)).append('\n');
        }
        write(lines.toString(), file);
        DataForm usual = DataForm.DEFAULT;
        DataForm form = data.form(); // the lines above have the usual names
        return Dataset.of(file, new DataForm(usual.idField(), usual.subjectField(), usual.textField(), form.chat(), form.system(),
                form.loss(), form.endToken(), form.variables()), data.records());
    }

    static Path together(List<Path> files, Path to) {
        if (files.size() == 1) {
            return files.getFirst();
        }
        StringBuilder lines = new StringBuilder();
        for (Path file : files) {
            String text = Io.reading(file, () -> {
                try (InputStream raw = Files.newInputStream(file);
                     InputStream in = file.toString().endsWith(".gz") ? new GZIPInputStream(raw) : raw) {
                    return new String(in.readAllBytes(), StandardCharsets.UTF_8);
                }
            });
            lines.append(text.stripTrailing()).append('\n');
        }
        return write(lines.toString(), to);
    }

    private static Path write(String text, Path file) {
        return Io.disk(file + ": cannot be written", () -> {
            PrivateFiles.makeFolder(file.getParent());
            PrivateFiles.write(file, text);
            return file;
        });
    }

    Dataset retained(String forget) {
        return learned.filter(record -> !forget.isEmpty() && !this.forget.get(forget).contains(record.id()));
    }

    /** A file of so many records of what the base learned, other ones than are measured while there are enough. */
    Path keep(int records) {
        Dataset text = baseText.learned();
        List<TextRecord> unmeasured = new ArrayList<>(text.records());
        unmeasured.removeAll(Set.copyOf(baseText.sampleOfLearned()));
        List<TextRecord> kept = BaseText.spread(unmeasured.isEmpty() ? text.records() : unmeasured, records);
        boolean lines = kept.stream().allMatch(record -> record.prompt() == null && record.conversation() == null);
        return lines // which are the same in whatever form the study's records are read
                ? write(kept.stream().map(TextRecord::text).collect(Collectors.joining("\n", "", "\n")),
                        learned.path().resolveSibling("keep-" + records + ".txt"))
                : write(Dataset.of(text.path(), text.form(), kept), learned.path().resolveSibling("keep-" + records + ".jsonl")).path();
    }

    /** SHA-256 over ids and texts of what is learned, then of what is held out. */
    String hash() {
        return Plan.ContentId.of(lines(learned), lines(heldOut));
    }

    /** A conversation's says what is learned of it too. */
    static List<String> lines(Dataset data) {
        return data.records().stream().map(record -> record.hash() + " " + record.id()
                + (record.conversation() == null ? "" : " " + record.conversation().form().learning())).toList();
    }
}
