package dev.lethe.spec;

import dev.lethe.base.Settings;
import dev.lethe.data.DataForm;
import dev.lethe.data.Dataset;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** A {@link DataForm}'s settings by name; what is not set stays as it usually is. One thread. */
public final class FormSettings {
    private String idField;
    private String subjectField;
    private String textField;
    private Boolean chat;
    private String system;
    private DataForm.Loss loss;
    private Boolean endToken;
    private final Map<String, String> variables = new TreeMap<>();

    /** Adds them. */
    public void into(Settings settings) {
        settings.section("data files (default: as in the run)")
                .text("id_field", "NAME", DataForm.DEFAULT.idField(), "What the data calls a record's id", value -> idField = value)
                .text("subject_field", "NAME", DataForm.DEFAULT.subjectField(), "What the data calls whom a record is about",
                        value -> subjectField = value)
                .text("text_field", "NAME", DataForm.DEFAULT.textField(), "What the data calls a record's text", value -> textField = value)
                .flag("chat", "A prompt and its completion, a question and its answer are a user's message and the assistant's, in the"
                        + " model's chat template", value -> chat = value)
                .text("system", "TEXT", "", "The system's message before conversations that have none", value -> system = value)
                .choice("loss", "WHICH", DataForm.DEFAULT.loss(), "What of a conversation is learned: assistant or all",
                        value -> loss = value)
                .flag("end_token", "Conversations end with the end-of-text token, also where the chat template puts another"
                        + " behind it or none", value -> endToken = value)
                .text("chat_set.", "VALUE", "", "What a variable of the chat template is, as chat_set.enable_thinking=false",
                        value -> variables.put(value.substring(0, value.indexOf('=')), value.substring(value.indexOf('=') + 1)));
    }

    /** Reads a file. @param usual the form where nothing is set; null is {@link DataForm#DEFAULT} */
    public Dataset read(Path file, DataForm usual) {
        return Dataset.read(file, form(usual == null ? DataForm.DEFAULT : usual));
    }

    /** {@code usual} with what was set. @throws dev.lethe.base.BadInputException when they do not fit together */
    public DataForm form(DataForm usual) {
        Map<String, String> all = new TreeMap<>(usual.variables());
        all.putAll(variables);
        return new DataForm(idField == null ? usual.idField() : idField, subjectField == null ? usual.subjectField() : subjectField,
                textField == null ? usual.textField() : textField, chat == null ? usual.chat() : chat,
                system == null ? usual.system() : system, loss == null ? usual.loss() : loss,
                endToken == null ? usual.endToken() : endToken, all);
    }
}
