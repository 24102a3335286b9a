package dev.lethe.cli;

import dev.lethe.data.DataForm;
import dev.lethe.data.Dataset;
import dev.lethe.train.RunFolder;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import picocli.CommandLine.Option;

/** How data files are read, in every command that reads one; what is not given is as in the run, or as usual. */
final class DataOptions {
    @Option(names = "--id-field", paramLabel = "NAME", description = "What the data calls a record's id (default: id).")
    private String idField;

    @Option(names = "--subject-field", paramLabel = "NAME",
            description = "What the data calls whom a record is about (default: subject).")
    private String subjectField;

    @Option(names = "--text-field", paramLabel = "NAME", description = "What the data calls a record's text (default: text).")
    private String textField;

    @Option(names = "--chat", description = "A prompt and its completion, a question and its answer are a user's message and"
            + " the assistant's, in the model's chat template.")
    private boolean chat;

    @Option(names = "--system", paramLabel = "TEXT", description = "The system's message before conversations that have none.")
    private String system;

    @Option(names = "--loss", paramLabel = "WHICH",
            description = "What of a conversation is learned: assistant, or all (default: assistant).")
    private DataForm.Loss loss;

    @Option(names = "--end-token", description = "Conversations end with the end-of-text token, also where the chat template"
            + " puts another behind it or none.")
    private boolean endToken;

    @Option(names = "--chat-set", paramLabel = "NAME=VALUE",
            description = "Given to the chat template, as date_string=\"10 Apr 2025\" or enable_thinking=false; repeatable.")
    private Map<String, String> variables;

    /** Reads a file; {@code run} is the run whose way of reading it is the default, or null. */
    Dataset read(Path file, RunFolder run) {
        return Dataset.read(file, form(run));
    }

    DataForm form(RunFolder run) {
        DataForm usual = run == null ? DataForm.DEFAULT : run.info().data().form();
        Map<String, String> all = new TreeMap<>(usual.variables());
        all.putAll(variables == null ? Map.of() : variables);
        return new DataForm(idField == null ? usual.idField() : idField,
                subjectField == null ? usual.subjectField() : subjectField, textField == null ? usual.textField() : textField,
                chat || usual.chat(), system == null ? usual.system() : system, loss == null ? usual.loss() : loss,
                endToken || usual.endToken(), all);
    }
}
